"""Prints what the demo found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from unicodedata import east_asian_width

from examples.support.cases import Outcome

WIDTH = 76
"""Columns of a text on the screen."""

LEGEND = """\
FAISS finds ten documents for each question, and the reranker reorders them.
  +             this document answers the question
  key document  the one that answers it best"""


def show_outcome(number: int, total: int, outcome: Outcome) -> None:
    """Both top threes of a question, and what changed."""
    print(f"\n[{number}/{total}] {outcome.case.query}")
    (hits_before, hits_after), (key_before, key_after) = outcome.hits, outcome.key_ranks
    for name, order, hits in (
        ("FAISS", outcome.before, hits_before),
        ("Reranked", outcome.after, hits_after),
    ):
        print(f"  {name} top 3: {hits} of {len(outcome.case.relevant)} answers")
        for place in order[:3]:
            mark = "+" if place in outcome.case.relevant else " "
            print(f"    {mark} {cut(outcome.case.documents[place], WIDTH)}")
    print(f"  key document: rank {key_before} -> {key_after}")
    if hits_after < hits_before or key_after > key_before:
        print(f"  Worse: {_worse(outcome)}.")


def _worse(outcome: Outcome) -> str:
    (hits_before, hits_after), (key_before, key_after) = outcome.hits, outcome.key_ranks
    lost = [f"{hits_before - hits_after} fewer answers in the top 3"] * (hits_after < hits_before)
    fell = [f"the key document fell by {key_after - key_before}"] * (key_after > key_before)
    return " and ".join([*lost, *fell])


def show_summary(outcomes: Sequence[Outcome]) -> None:
    """What reranking did to all questions."""
    hits = [outcome.hits for outcome in outcomes]
    keys = [outcome.key_ranks for outcome in outcomes]
    better = sum(after > before for before, after in hits)
    worse = sum(after < before for before, after in hits)
    total = len(outcomes)
    print(f"\nSummary of {total} questions")
    print(f"  answers in the top 3, mean: {_mean(hits, 0):.1f} -> {_mean(hits, 1):.1f}")
    print(f"  rank of the key document, mean: {_mean(keys, 0):.1f} -> {_mean(keys, 1):.1f}")
    print(
        f"  more answers in the top 3: {better}, as many: {total - better - worse}, fewer: {worse}"
    )
    print("A few questions prove nothing. Measure your own: docs/evaluation.md")


def _mean(pairs: Sequence[tuple[int, int]], side: int) -> float:
    return sum(pair[side] for pair in pairs) / len(pairs)


def cut(text: str, width: int) -> str:
    """The beginning of a text that fits into so many columns, cut between words."""
    text = " ".join(text.split())
    if _columns(text) <= width:
        return text
    kept = ""
    for word in re.findall(r"[!-\u2e7f]+|.", text):  # a Chinese character is a word
        if _columns(kept + word) > width - 2:
            break
        kept += word
    return f"{kept.rstrip()} …"


def _columns(text: str) -> int:
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)
