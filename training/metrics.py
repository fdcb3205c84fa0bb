"""Ranking metrics by query, and bootstrap intervals over queries."""

import math
from collections.abc import Mapping, Sequence

import numpy as np


def ndcg(order: Sequence[int], grades: Mapping[int, int], k: int = 10) -> float:
    """Normalised discounted gain of the first ``k``; the gain of grade g is 2^g - 1."""
    best = sorted(grades.values(), reverse=True)[:k]
    found = [grades.get(int(place), 0) for place in order[:k]]
    return _gain(found) / max(_gain(best), 1e-9)


def hit(order: Sequence[int], grades: Mapping[int, int], k: int = 3) -> float:
    """1 if a relevant document is among the first ``k``, else 0."""
    return float(any(grades.get(int(place), 0) > 0 for place in order[:k]))


def interval(values: np.ndarray, rounds: int = 1000) -> tuple[float, float, float]:
    """Mean over queries and its 95 % percentile bootstrap interval."""
    chance = np.random.default_rng(0)
    picks = chance.integers(0, len(values), (rounds, len(values)))
    low, high = np.percentile(values[picks].mean(axis=1), [2.5, 97.5])
    return float(values.mean()), float(low), float(high)


def _gain(grades: Sequence[int]) -> float:
    return sum((2.0**grade - 1) / math.log2(place + 2) for place, grade in enumerate(grades))
