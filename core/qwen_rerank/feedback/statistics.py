"""How good the rankings were, in figures, by what people said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qwen_rerank.feedback.database import Database

TOP = 3
"""The k of the hit rates."""

_COUNTS = (
    "COUNT(*)",
    "SUM(reranked AND relevant IS NOT NULL)",
    "SUM(reranked AND hit)",
    "SUM(reranked AND hit_before)",
    "SUM(reranked AND adopted IS NOT NULL)",
    "SUM(reranked AND adopted)",
    "SUM(NOT reranked AND adopted IS NOT NULL)",
    "SUM(NOT reranked AND adopted)",
)
_TOTALS = f"SELECT {', '.join(_COUNTS)} FROM rerankings WHERE judged IS NOT NULL"  # noqa: S608
# a percentile is the least value that so many in a hundred do not exceed
_DAYS = (
    f"SELECT day, {', '.join(_COUNTS)}, "  # noqa: S608 - constants above
    "MIN(CASE WHEN 100 * place >= 50 * timed THEN seconds END), "
    "MIN(CASE WHEN 100 * place >= 95 * timed THEN seconds END) "
    "FROM (SELECT *, date(time, 'unixepoch') AS day, "
    "COUNT(seconds) OVER (PARTITION BY date(time, 'unixepoch')) AS timed, "
    "ROW_NUMBER() OVER (PARTITION BY date(time, 'unixepoch') "
    "ORDER BY seconds IS NULL, seconds) AS place FROM rerankings WHERE time >= ?) "
    "GROUP BY day ORDER BY day"
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was counted; rates are shares from 0 to 1, and `None` where nothing is known.

    A hit is a reranking with a relevant document among its first three results. Without
    reranking, the first three documents of the original order are looked at instead, for the
    same requests. Where fewer than three results were asked for, both sides count as many; what a
    threshold left out of the results still counts in the original order.
    """

    requests: int
    """Reranks, and requests that kept their original order: in the figures of a day all of them,
    in totals those of which something was said."""
    judged: int
    """Reranked ones whose relevant documents are known."""
    hits: int
    hits_before: int
    """Hits without reranking."""
    answers: int
    """Reranked ones of which it is known whether the answer was adopted."""
    adopted: int
    answers_before: int
    """The same for requests that were answered in the original order."""
    adopted_before: int

    @property
    def hit_rate(self) -> float | None:
        """Top-3 hit rate with reranking."""
        return _share(self.hits, self.judged)

    @property
    def hit_rate_before(self) -> float | None:
        """Top-3 hit rate of the original order, on the same requests."""
        return _share(self.hits_before, self.judged)

    @property
    def adoption_rate(self) -> float | None:
        """Adopted answers, of those that reranking went before."""
        return _share(self.adopted, self.answers)

    @property
    def adoption_rate_before(self) -> float | None:
        """Adopted answers, of those that were made from the original order."""
        return _share(self.adopted_before, self.answers_before)


@dataclass(frozen=True, slots=True)
class DayFigures:
    """The figures of the requests of one day, whenever they were judged."""

    day: str
    """In UTC, such as "2026-11-22"."""
    figures: Figures
    median: float | None
    """Seconds that half of the requests did not exceed."""
    p95: float | None
    """Seconds that 95 in a hundred did not exceed."""


def totals(database: Database) -> Figures:
    """Of all requests that were judged."""
    [row] = database.rows(_TOTALS)
    return _figures(row)


def days(database: Database, since: float) -> list[DayFigures]:
    """Of all requests since a time in seconds since 1970, day by day; oldest first."""
    return [
        DayFigures(day, _figures(counts), median, p95)
        for day, *counts, median, p95 in database.rows(_DAYS, (since,))
    ]


def _figures(row: Sequence[Any]) -> Figures:
    return Figures(*(count or 0 for count in row))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
