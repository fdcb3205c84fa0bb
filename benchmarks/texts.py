"""Queries and documents of chosen lengths, the same in every run."""

from __future__ import annotations

import random

# each is one token of Qwen3's vocabulary with its space, so that words count tokens
_WORDS = (
    "the of and to in is that for it was on are with as be at by this from have or an they which "
    "one had not but what all were when we there can more if no man out other so time up go about "
    "than into could state only new year some take come these know see use get like then first any "
    "work now may such give over think most even find day also after way many must look before "
    "great back through long where much should well people down own just because good each those "
    "feel seem how high too place little world very still nation hand old life tell write become"
).split()

KINDS = {"short": 40, "paragraph": 150, "chunk": 500, "long": 2000}
"""Tokens of a document, by kind; single documents vary by a third around it."""


def documents(kind: str, count: int) -> list[str]:
    """As many documents of one kind, in an order that owes nothing to their lengths."""
    dice = random.Random(f"{kind}{count}")
    middle = KINDS[kind]
    lengths = [round(dice.uniform(2 / 3, 4 / 3) * middle) for _ in range(count)]
    return [" ".join(dice.choices(_WORDS, k=length)) for length in lengths]


def query(number: int) -> str:
    """Ten words; another number gives another query."""
    return " ".join(random.Random(number).sample(_WORDS, 10)) + "?"
