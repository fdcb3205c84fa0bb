"""Confidence intervals of means, by the bootstrap over queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


def estimates(columns: Sequence[Sequence[float]]) -> list[Estimate]:
    """The mean of each column and its percentile-bootstrap interval.

    All columns are resampled by the same rows, which makes an interval of differences a
    paired one. The same columns give the same intervals.

    Args:
        columns: Values of the same queries in the same order, at least one.
    """
    import numpy as np

    values = np.asarray(columns, dtype=np.float64).T
    count, random = len(values), np.random.default_rng(0)
    means = np.empty((RESAMPLES, values.shape[1]))
    for row in range(RESAMPLES):
        drawn = np.bincount(random.integers(count, size=count), minlength=count)
        means[row] = drawn @ values / count
    low, high = np.percentile(means, (2.5, 97.5), axis=0)
    middle = values.mean(axis=0)
    return [Estimate(*map(float, one)) for one in zip(middle, low, high, strict=True)]
