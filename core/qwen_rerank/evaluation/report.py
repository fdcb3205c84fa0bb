"""The figures of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from qwen_rerank.evaluation.bootstrap import Estimate, estimates
from qwen_rerank.evaluation.dataset import Dataset
from qwen_rerank.evaluation.fusion import fuse
from qwen_rerank.evaluation.journal import Reranked
from qwen_rerank.evaluation.metrics import Figures, first_relevant, measure, names
from qwen_rerank.evaluation.run import Run

PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True, slots=True)
class Change:
    """A measure before and after reranking, as means over the queries with 95 % intervals."""

    before: Estimate
    after: Estimate
    difference: Estimate
    """After minus before, of the same queries."""
    fusion: Estimate | None = None
    """Of the order by both scores, if it was wanted."""
    fusion_difference: Estimate | None = None
    """Fusion minus before, of the same queries."""


@dataclass(frozen=True, slots=True)
class QueryChange:
    """One query before and after."""

    query: str
    """Its id."""
    text: str
    before: Figures
    after: Figures
    fusion: Figures | None
    rank_before: int | None
    """Rank, from 1, of the first relevant document; `None` when none was found."""
    rank_after: int | None
    rank_fusion: int | None
    seconds: float
    """How long reranking took."""
    not_reranked: str | None
    """Why the query kept the first stage's order, if it did."""


@dataclass(frozen=True)
class Report:
    """All figures, and the runs they belong to."""

    dataset: str
    documents: int
    changes: dict[str, Change]
    """By name of the measure."""
    latency: dict[str, float]
    """Seconds of one rerank call: mean, percentiles, max."""
    queries: list[QueryChange]
    before: Run
    after: Run
    fusion: Run | None

    @property
    def not_reranked(self) -> int:
        """How many queries kept the first stage's order for want of scores."""
        return sum(one.not_reranked is not None for one in self.queries)

    def to_dict(self, *, per_query: bool = False) -> dict[str, Any]:
        """All figures as plain values, for JSON; without the runs."""
        counts = {"documents": self.documents, "queries": len(self.queries)}
        figures = {name: asdict(change) for name, change in self.changes.items()}
        found = {
            "dataset": self.dataset,
            **counts,
            "not_reranked": self.not_reranked,
            "measures": figures,
            "latency_seconds": self.latency,
        }
        return found | ({"per_query": [asdict(one) for one in self.queries]} if per_query else {})


def make_report(
    dataset: Dataset, before: Run, reranked: Mapping[str, Reranked], top: int, fusion: bool
) -> Report:
    """Measure the runs of the same queries: before, after, and the fusion of both if wanted."""
    runs = {"before": before, "after": {query: one.ranking for query, one in reranked.items()}}
    if fusion:
        runs["fusion"] = {
            query: fuse(before.get(query, []), one) for query, one in reranked.items()
        }
    figures = {side: measure(run, dataset.qrels, top) for side, run in runs.items()}
    queries = [_query(dataset, query, runs, figures, reranked[query]) for query in dataset.queries]
    return Report(
        dataset.name,
        len(dataset.documents),
        _changes(queries, names(top)),
        _latency([one.seconds for one in queries]),
        queries,
        before=runs["before"],
        after=runs["after"],
        fusion=runs.get("fusion"),
    )


def _query(
    dataset: Dataset,
    query: str,
    runs: Mapping[str, Run],
    figures: Mapping[str, Mapping[str, Figures]],
    reranked: Reranked,
) -> QueryChange:
    grades = dataset.qrels[query]
    ranks = {side: first_relevant(run.get(query, []), grades) for side, run in runs.items()}
    return QueryChange(
        query,
        dataset.queries[query],
        before=figures["before"][query],
        after=figures["after"][query],
        fusion=figures["fusion"][query] if "fusion" in figures else None,
        rank_before=ranks["before"],
        rank_after=ranks["after"],
        rank_fusion=ranks.get("fusion"),
        seconds=reranked.seconds,
        not_reranked=reranked.not_reranked,
    )


def _changes(queries: Sequence[QueryChange], measures: Sequence[str]) -> dict[str, Change]:
    columns = [column for name in measures for column in _columns(queries, name)]
    found, each = estimates(columns), len(columns) // len(measures)
    return {
        name: Change(*found[place * each : (place + 1) * each])
        for place, name in enumerate(measures)
    }


def _columns(queries: Sequence[QueryChange], name: str) -> list[list[float]]:
    """The values of a measure, in the order of `Change`'s fields."""
    before = [one.before[name] for one in queries]
    after = [one.after[name] for one in queries]
    fusion = [one.fusion[name] for one in queries if one.fusion]
    columns = [before, after, _difference(after, before)]
    return [*columns, fusion, _difference(fusion, before)] if fusion else columns


def _difference(values: Sequence[float], others: Sequence[float]) -> list[float]:
    return [value - other for value, other in zip(values, others, strict=True)]


def _latency(seconds: list[float]) -> dict[str, float]:
    import numpy as np

    found = {f"p{p}": float(np.percentile(seconds, p)) for p in PERCENTILES}
    return {"mean": float(np.mean(seconds)), **found, "max": max(seconds)}
