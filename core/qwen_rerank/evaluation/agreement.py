"""How far two rankings of the same documents agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of the scores of one query's documents in two ways."""

    tau: float
    """Kendall's tau-b: 1 for the same order, -1 for the opposite one, NaN without an order."""
    largest: float
    """Of the differences of the log-odds."""
    mean: float
    """The same, on average."""


def agreement(scores: Sequence[float], others: Sequence[float]) -> Agreement:
    """Compare two scores of each document.

    Args:
        scores: P("yes"), one or more.
        others: The same documents' in the other way.
    """
    moves = [abs(_log_odds(a) - _log_odds(b)) for a, b in zip(scores, others, strict=True)]
    return Agreement(kendall_tau(scores, others), max(moves), sum(moves) / len(moves))


def kendall_tau(scores: Sequence[float], others: Sequence[float]) -> float:
    """Kendall's tau-b (Biometrika 33, 1945), pair by pair: scipy need not be there."""
    pairs = [
        (_sign(a - b), _sign(c - d))
        for (a, c), (b, d) in combinations(zip(scores, others, strict=True), 2)
    ]
    agreed = sum(one * other for one, other in pairs)
    untied = [sum(pair[side] != 0 for pair in pairs) for side in (0, 1)]
    return agreed / math.sqrt(untied[0] * untied[1]) if all(untied) else math.nan


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)


def _log_odds(score: float) -> float:
    """Scores near 0 and 1 are cut where double precision ends."""
    score = min(max(score, 1e-300), 1 - 2**-53)
    return math.log(score) - math.log1p(-score)
