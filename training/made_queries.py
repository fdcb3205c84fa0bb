"""Queries made from texts: spans, Chinese questions, synonyms, and texts made to mislead."""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from training.candidates import Collection, Depth, Question, collect
from training.sources import Pair
from training.synonyms import Synonyms, content_words, stem

Make = Callable[[str, random.Random], str]
_CLAUSE = re.compile("[，。；：！？、]")
_YEAR = re.compile(r"\d{3,4}年")
_NUMBER = re.compile(r"\d+(\.\d+)?")
LONGEST_QUESTION = 22  # characters of the clause that a Chinese question is made of


def make_pairs(
    texts: Sequence[str], count: int, language: str, make: Make, *, answered: bool
) -> list[Pair]:
    """Up to ``count`` texts drawn at random with the query made of each ("" where none can be)."""
    chance = random.Random(f"{language} {count} {len(texts)}")
    drawn = chance.sample(texts, min(len(texts), 2 * count))
    made = [(make(text, chance), text) for text in drawn]
    return [
        Pair(query, text if answered else "", "made", language, "made")
        for query, text in made
        if query
    ][:count]


def span(text: str, chance: random.Random) -> str:
    """Four to ten words of an English sentence, a fifth of them dropped."""
    words = text.split()
    if len(words) < 8:
        return ""
    size = chance.randint(4, 10)
    start = chance.randrange(max(1, len(words) - size))
    kept = [word for word in words[start : start + size] if chance.random() > 0.2]
    return " ".join(kept).strip(" ,.;()") if len(kept) >= 3 else ""


def chinese_span(text: str, chance: random.Random) -> str:
    """Eight to twenty characters of a Chinese sentence, a quarter of the pairs dropped."""
    size = chance.randint(8, 20)
    start = chance.randrange(max(1, len(text) - size))
    part = text[start : start + size]
    pairs = [part[i : i + 2] for i in range(0, len(part), 2)]
    return "".join(pair for pair in pairs if chance.random() < 0.75).strip("，。、")


def chinese_question(text: str, chance: random.Random) -> str:
    """A clause in which a year, a number or a few characters give way to a question word."""
    clauses = [clause for clause in _CLAUSE.split(text) if len(clause) >= 6]
    if not clauses:
        return ""
    question = _ask(chance.choice(clauses), chance)
    if len(question) > LONGEST_QUESTION + 2:
        start = chance.randrange(len(question) - LONGEST_QUESTION)
        question = question[start : start + LONGEST_QUESTION + 2]
    if len(clauses) > 1 and chance.random() < 0.4:
        question = chance.choice(clauses)[:8] + question
    return question + chance.choice(["？", "", "?"])


def _ask(clause: str, chance: random.Random) -> str:
    if year := _YEAR.search(clause):
        return clause.replace(year[0], chance.choice(["哪一年", "何时", "什么时候"]))
    if number := _NUMBER.search(clause):
        return clause.replace(number[0], chance.choice(["多少", "几"]))
    size = chance.randint(2, 4)
    ends = [0, len(clause) - size, chance.randrange(len(clause) - size)]
    start = chance.choice(ends)
    word = chance.choice(["什么", "谁", "哪里", "哪个", "什么"])
    return clause[:start] + word + clause[start + size :]


def made_collection(name: str, pool: Sequence[str], count: int, make: Make) -> Collection:
    """Chinese sentences that answer the queries made of them."""
    asked = make_pairs(pool, count, "zh", make, answered=True)
    return collect(name, "sentence", pool, asked, Depth(40, 0))


def synonym_queries(
    source: Collection, name: str, count: int, synonyms: Synonyms, candidates: int
) -> Collection:
    """Questions of ``source`` in other words; the answer is not marked, the teacher decides."""
    chance = random.Random(name)
    questions = []
    for asked in chance.sample(source.questions, min(count, len(source.questions))):
        query = synonyms.replace(asked.query, 0.7, chance)
        if query != asked.query:
            places = asked.candidates[:candidates]
            questions.append(Question(query, False, places, asked.held_out))
    return replace(source, name=name, questions=questions)


def with_misleading(source: Collection, synonyms: Synonyms, candidates: int) -> Collection:
    """Add made candidates: other texts with the words of the query, answers in other words."""
    chance = random.Random(source.name)
    documents, questions = list(source.documents), []
    for asked in source.questions:
        answer, *others = asked.candidates
        made = [_decoy(asked.query, chance.choice(source.documents), chance)]
        made = made if chance.random() < 0.5 else []
        stems = {stem(word) for word in content_words(asked.query)}
        reworded = synonyms.replace(source.documents[answer], 0.9, chance, stems)
        if reworded != source.documents[answer] and chance.random() < 0.6:
            made.append(reworded)
        new = range(len(documents), len(documents) + len(made))
        documents += made
        places = [answer, *new, *others][:candidates]
        questions.append(replace(asked, candidates=places))
    return replace(source, documents=documents, questions=questions)


def _decoy(query: str, text: str, chance: random.Random) -> str:
    """A text on something else with the words of the query strewn in."""
    words = text.split()
    for word in content_words(query):
        words.insert(chance.randrange(len(words) + 1), word)
    return " ".join(words)
