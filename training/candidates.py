"""Questions with the texts that compete for them: what the teacher labels and training draws."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from training.firststage import lexical
from training.mining import answers_of, is_same, sentences
from training.sources import Pair, is_held_out

LONGEST_PASSAGE = 1500  # characters
LONGEST_SENTENCE = 600


@dataclass(frozen=True)
class Question:
    """A query and the places of its candidates; where ``answered``, the first is the answer."""

    query: str
    answered: bool
    candidates: list[int]
    held_out: bool = False


@dataclass(frozen=True)
class Collection:
    """The texts of one source and the questions that are asked of them."""

    name: str
    language: str  # "en" or "zh"
    kind: str  # "sentence" or "passage"
    documents: list[str]
    questions: list[Question]


@dataclass(frozen=True)
class Depth:
    """How many candidates a question gets: BM25's best, and texts drawn at random."""

    lexical: int
    strangers: int


def collect(
    name: str, kind: str, pool: Sequence[str], asked: Sequence[Pair], depth: Depth
) -> Collection:
    """Search ``pool`` and all answers for each pair; a pair without a document has no answer.

    Texts that hold an answer, or that an answer holds, are no candidates beside it.
    """
    documents = list(dict.fromkeys([*pool, *(p.document for p in asked if p.document)]))
    places = {text: place for place, text in enumerate(documents)}
    answers, chance = answers_of([p for p in asked if p.document]), random.Random(name)
    best, _ = lexical(documents, [p.query for p in asked], depth.lexical)
    questions = []
    for pair, row in zip(asked, best, strict=True):
        strangers = [chance.randrange(len(documents)) for _ in range(depth.strangers)]
        known = answers.get(pair.query, [])
        found = dict.fromkeys([*row.tolist(), *strangers])
        others = [place for place in found if not is_same(documents[place], known)]
        answer = [places[pair.document]] if pair.document else []
        questions.append(Question(pair.query, bool(answer), answer + others, is_held_out(pair)))
    return Collection(name, asked[0].language, kind, documents, questions)


def passages(pool: Sequence[Pair]) -> list[str]:
    """The texts, cut to `LONGEST_PASSAGE`."""
    return [pair.document[:LONGEST_PASSAGE] for pair in pool]


def as_sentences(pool: Sequence[Pair]) -> list[str]:
    """The sentences of the texts."""
    texts = [s for text in passages(pool) for s in sentences(text) if len(s) >= 4]
    return [text[:LONGEST_SENTENCE] for text in texts]
