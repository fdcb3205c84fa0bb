"""Texts that say the opposite: the same words with or without a "not"."""

import random
import re
from dataclasses import replace

from training.candidates import Collection, Question
from training.synonyms import content_words

OTHERS = 7  # candidates that a question keeps besides the answer and its denial
_VERB = re.compile(
    r"\b(is|are|was|were|can|could|will|would|has|have|had|does|do|did|may|should)\b(?! not)"
)
_CHINESE = {
    "是": "不是",
    "有": "没有",
    "能": "不能",
    "可以": "不可以",
    "会": "不会",
    "需要": "不需要",
    "支持": "不支持",
    "属于": "不属于",
    "位于": "不位于",
    "成为": "没有成为",
    "获得": "没有获得",
}
_CHINESE_VERB = re.compile("(?<![不没沒未])(" + "|".join(sorted(_CHINESE, key=len)[::-1]) + ")")


def deny(text: str, chance: random.Random) -> str | None:
    """The text with its first verb denied, None where none is known."""
    if found := _VERB.search(text):
        return (
            f"{text[: found.end()]} {chance.choice(['not', 'not', 'never'])}{text[found.end() :]}"
        )
    if found := _CHINESE_VERB.search(text):
        return text[: found.start()] + _CHINESE[found[0]] + text[found.end() :]
    return None


def denials(source: Collection, name: str, count: int) -> Collection:
    """Questions of ``source`` whose answer competes with its denial.

    About a third of them ask for the denial instead. Half of the other answers lose some words,
    so that the denial shares more of them with the query.
    """
    chance = random.Random(name)
    documents, questions = list(source.documents), []
    for asked in chance.sample(source.questions, min(count, len(source.questions))):
        made = _pair(asked.query, documents[asked.candidates[0]], chance)
        if made:
            query, answer, denial = made
            place, others = len(documents), asked.candidates[1:]
            documents += [answer, denial]
            kept = chance.sample(others, min(OTHERS, len(others)))
            questions.append(Question(query, True, [place, place + 1, *kept], asked.held_out))
    return replace(source, name=name, documents=documents, questions=questions)


def _pair(query: str, answer: str, chance: random.Random) -> tuple[str, str, str] | None:
    """Query, answer and a text that says the opposite."""
    denial, opposite = deny(answer, chance), deny(query, chance)
    if denial is None:
        return None
    if opposite and chance.random() < 0.35:
        return opposite, denial, answer
    return query, (_shorten(query, answer, chance) if chance.random() < 0.5 else answer), denial


def _shorten(query: str, answer: str, chance: random.Random) -> str:
    """Leave out a word of the query, or a few characters where there are no English words."""
    shared = [w for w in content_words(query) if re.search(rf"\b{w}\b", answer, re.IGNORECASE)]
    if shared:
        return re.sub(rf"\b{chance.choice(shared)}\b", "", answer, flags=re.IGNORECASE)
    if not content_words(answer) and len(answer) > 12:
        start = chance.randrange(len(answer) - 6)
        return answer[:start] + answer[start + chance.randint(2, 4) :]
    return answer
