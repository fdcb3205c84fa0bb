"""Hit rates, adoption rates and latency, computed from the feedback."""

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
# the p-th percentile is the smallest value that p % of the values do not exceed
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
class Statistics:
    """Counts, and rates from 0 to 1. A rate is `None` where nothing was judged.

    A hit is a rerank with a relevant document among its first three results. The rate before
    reranking looks at the first three documents of the original order, for the same requests.
    If fewer than three results were requested, both look at that many. Documents that a
    threshold left out of the results still count in the original order.
    """

    requests: int
    """Requests, reranked or in their original order: all of a day in `DailyStatistics`, those
    with feedback in totals."""
    judged: int
    """Reranked requests whose relevant documents are known."""
    hits: int
    hits_before: int
    """Hits in the original order."""
    answers: int
    """Reranked requests whose feedback says whether the answer was adopted."""
    adopted: int
    answers_before: int
    """The same for requests that kept the original order."""
    adopted_before: int

    @property
    def hit_rate(self) -> float | None:
        """Top-3 hit rate with reranking."""
        return _share(self.hits, self.judged)

    @property
    def hit_rate_before(self) -> float | None:
        """Top-3 hit rate of the original order, for the same requests."""
        return _share(self.hits_before, self.judged)

    @property
    def adoption_rate(self) -> float | None:
        """Share of adopted answers, with reranking."""
        return _share(self.adopted, self.answers)

    @property
    def adoption_rate_before(self) -> float | None:
        """Share of adopted answers, in the original order."""
        return _share(self.adopted_before, self.answers_before)


@dataclass(frozen=True, slots=True)
class DailyStatistics:
    """The statistics of the requests of one day, whenever their feedback came."""

    day: str
    """In UTC, such as "2026-11-22"."""
    statistics: Statistics
    median: float | None
    """Median latency in seconds."""
    p95: float | None
    """95th percentile of the latency in seconds."""


def totals(database: Database) -> Statistics:
    """The statistics of all requests with feedback."""
    [row] = database.rows(_TOTALS)
    return _statistics(row)


def days(database: Database, since: float) -> list[DailyStatistics]:
    """The statistics of each day since a time in seconds since 1970, oldest first."""
    return [
        DailyStatistics(day, _statistics(counts), median, p95)
        for day, *counts, median, p95 in database.rows(_DAYS, (since,))
    ]


def _statistics(row: Sequence[Any]) -> Statistics:
    return Statistics(*(count or 0 for count in row))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
