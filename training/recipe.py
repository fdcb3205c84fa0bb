"""Which collections the built-in model is distilled on, and how often each is drawn."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from training.candidates import Collection, Depth, as_sentences, collect, passages
from training.denials import denials
from training.made_queries import (
    chinese_question,
    chinese_span,
    made_collection,
    make_pairs,
    span,
    synonym_queries,
    with_misleading,
)
from training.sources import Pair, read_pairs
from training.synonyms import Synonyms

# How often a collection is drawn among those of its kind. Without a weight it only validates.
WEIGHTS = {
    "nqg-sent": 3.0,
    "medquad-sent": 0.7,
    "pubmedqa-sent": 0.3,
    "tech-sent": 0.8,
    "wiki-spans": 1.5,
    "tech-spans": 0.6,
    "synonyms-sent": 2.0,
    "denials-en": 0.6,
    "denials-zh": 0.4,
    "drcd-s-sent": 2.2,
    "drcd-t-sent": 0.8,
    "spans-zh": 0.5,
    "made-cmrc2019": 0.7,
    "made-drcd": 1.2,
    "nqg": 2.0,
    "synonyms-nqg": 0.7,
    "medquad": 1.0,
    "synonyms-medquad": 0.4,
    "pubmedqa-en": 0.3,
    "helm-en": 0.4,
    "d2l-zh-en": 0.3,
    "rustbook-en": 0.2,
    "dolphinscheduler-en": 0.3,
    "docs-cn-en": 0.1,
    "wiki-spans-passages": 0.6,
    "drcd-s": 1.5,
    "drcd-t": 0.6,
    "docs-cn-zh": 1.0,
    "oiwiki-zh": 0.5,
    "d2l-zh-zh": 0.3,
    "helm-zh": 0.2,
    "dolphinscheduler-zh": 0.2,
}
TECHNICAL = [("helm", "en"), ("rustbook", "en"), ("d2l-zh", "en"), ("dolphinscheduler", "en")]
ENGLISH = ["pubmedqa", "helm", "d2l-zh", "rustbook", "dolphinscheduler", "docs-cn"]
CHINESE = ["docs-cn", "oiwiki", "d2l-zh", "helm", "dolphinscheduler"]
READING = {"drcd-dev-s": "drcd-s", "drcd-dev": "drcd-t", "cmrc-trial": "cmrc"}
LONGEST_QUERY = {"en": 200, "zh": 80}  # characters; headings, not questions, are longer


class Texts:
    """The training texts by source and language."""

    def __init__(self, train: Path) -> None:
        self._pools = read_pairs(train / "paras.jsonl.gz")
        self._pairs = read_pairs(train / "pairs.jsonl.gz")
        self._sentence_pairs = read_pairs(train / "sent_pairs.jsonl.gz")

    def pool(self, source: str, language: str) -> list[Pair]:
        """Its passages."""
        return [p for p in self._pools if (p.source, p.language) == (source, language)]

    def asked(self, source: str, language: str) -> list[Pair]:
        """Its questions with the passages that answer them, cut."""
        found = [p for p in self._pairs if (p.source, p.language) == (source, language)]
        fitting = [p for p in found if 3 < len(p.query) < LONGEST_QUERY[language]]
        return [_with(p, document) for p, document in zip(fitting, passages(fitting), strict=True)]

    def asked_sentences(self, source: str) -> list[Pair]:
        """Its questions with the sentences that answer them."""
        return [p for p in self._sentence_pairs if p.source == f"{source}-sent"]


def collections(texts: Texts, synonyms: Synonyms) -> Iterator[Collection]:
    """All of them, one by one; takes several GB and some minutes."""
    yield from _english(texts)
    yield from _reworded(texts, synonyms)
    yield from _chinese(texts)


def _english(texts: Texts) -> Iterator[Collection]:
    medical, asked = texts.pool("medquad", "en"), texts.asked("medquad", "en")
    chance, depth = random.Random(5), Depth(30, 4)
    for source in ENGLISH:
        pool = passages(texts.pool(source, "en"))
        yield collect(f"{source}-en", "passage", pool, texts.asked(source, "en"), depth)
    few = as_sentences(chance.sample(medical, min(3000, len(medical))))
    some = _unanswered(chance.sample(asked, min(3000, len(asked))))
    yield collect("medquad-sent", "sentence", few, some, depth)
    reports = as_sentences(texts.pool("pubmedqa", "en"))
    titles = _unanswered(texts.asked("pubmedqa", "en"))
    yield collect("pubmedqa-sent", "sentence", reports, titles, depth)
    technical = as_sentences([p for source in TECHNICAL for p in texts.pool(*source)])
    headings = _unanswered([p for source in TECHNICAL for p in texts.asked(*source)])
    yield collect("tech-sent", "sentence", technical, headings, depth)
    yield from _spans(texts, technical, reports)
    held_out = texts.asked("qed", "en")
    yield collect("qed", "passage", passages(texts.pool("qed", "en")), held_out, depth)


def _spans(texts: Texts, technical: list[str], reports: list[str]) -> Iterator[Collection]:
    """Questions that are spans of sentences; only the teacher says what answers them."""
    wiki, articles = texts.pool("wikitext2", "en"), texts.pool("nqg", "en")
    general, more = as_sentences(wiki), as_sentences(articles)
    asked = _spans_of(general, 9000) + _spans_of(more, 6000)
    yield collect("wiki-spans", "sentence", general + more, asked, Depth(30, 4))
    asked, pool = _spans_of(general, 3000), passages(wiki + articles)
    yield collect("wiki-spans-passages", "passage", pool, asked, Depth(24, 4))
    asked = _spans_of(technical, 3000) + _spans_of(reports, 2000)
    yield collect("tech-spans", "sentence", technical + reports, asked, Depth(30, 4))


def _reworded(texts: Texts, synonyms: Synonyms) -> Iterator[Collection]:
    """The large English sources, and the same questions in other words."""
    articles, medical = texts.pool("nqg", "en"), texts.pool("medquad", "en")
    asked = texts.asked_sentences("nqg")
    plain = collect("nqg-sent", "sentence", as_sentences(articles), asked, Depth(44, 6))
    sentences = with_misleading(plain, synonyms, candidates=46)
    yield sentences
    yield synonym_queries(sentences, "synonyms-sent", 9000, synonyms, candidates=40)
    yield denials(plain, "denials-en", 6000)
    asked = texts.asked("nqg", "en")
    whole = collect("nqg", "passage", passages(articles), asked, Depth(30, 4))
    yield whole
    yield synonym_queries(whole, "synonyms-nqg", 3000, synonyms, candidates=24)
    asked = texts.asked("medquad", "en")
    asked = random.Random(6).sample(asked, min(6000, len(asked)))
    health = collect("medquad", "passage", passages(medical), asked, Depth(26, 4))
    yield health
    yield synonym_queries(health, "synonyms-medquad", 2500, synonyms, candidates=24)


def _chinese(texts: Texts) -> Iterator[Collection]:
    for source, name in READING.items():
        pool, asked = texts.pool(source, "zh"), texts.asked_sentences(source)
        found = collect(f"{name}-sent", "sentence", as_sentences(pool), asked, Depth(40, 8))
        yield found
        if name == "drcd-s":
            yield denials(found, "denials-zh", 2500)
        yield collect(name, "passage", passages(pool), texts.asked(source, "zh"), Depth(30, 8))
    for source in CHINESE:
        pool, asked = texts.pool(source, "zh"), texts.asked(source, "zh")
        yield collect(f"{source}-zh", "passage", passages(pool), asked, Depth(34, 6))
    articles = _of_length(as_sentences(texts.pool("drcd-dev-s", "zh")))
    stories = _of_length(as_sentences(texts.pool("cmrc2019", "zh")))
    yield made_collection("spans-zh", articles + stories, 5000, chinese_span)
    yield made_collection("made-cmrc2019", stories, 4000, chinese_question)
    yield made_collection("made-drcd", articles, 3500, chinese_question)


def _of_length(texts: Sequence[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if 15 <= len(text) <= 200]


def _spans_of(texts: Sequence[str], count: int) -> list[Pair]:
    return make_pairs(texts, count, "en", span, answered=False)


def _unanswered(pairs: Sequence[Pair]) -> list[Pair]:
    return [_with(pair, "") for pair in pairs]


def _with(pair: Pair, document: str) -> Pair:
    return Pair(pair.query, document, pair.group, pair.language, pair.source)
