"""What an evaluation found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from qwen_rerank.evaluation.bootstrap import Estimate, estimates
from qwen_rerank.evaluation.dataset import Dataset
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
    """Of the same queries, after minus before."""


@dataclass(frozen=True, slots=True)
class QueryChange:
    """One query before and after."""

    query: str
    """Its id."""
    text: str
    before: Figures
    after: Figures
    rank_before: int | None
    """Rank, from 1, of the first relevant document; `None` when none was found."""
    rank_after: int | None
    seconds: float
    """How long reranking took."""
    not_reranked: str | None
    """Why the order stayed, if no scorer answered."""


@dataclass(frozen=True)
class Report:
    """Everything measured, and the runs that it was measured on."""

    dataset: str
    documents: int
    changes: dict[str, Change]
    """By name of the measure."""
    latency: dict[str, float]
    """Seconds of one rerank call: mean, percentiles, max."""
    queries: list[QueryChange]
    before: Run
    after: Run

    @property
    def not_reranked(self) -> int:
        """How many queries no scorer answered."""
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
    dataset: Dataset, before: Run, reranked: Mapping[str, Reranked], top: int
) -> Report:
    """Measure both runs of the same queries."""
    after = {query: found.ranking for query, found in reranked.items()}
    figures = measure(before, dataset.qrels, top), measure(after, dataset.qrels, top)
    queries = [
        QueryChange(
            query,
            text,
            figures[0][query],
            figures[1][query],
            first_relevant(before.get(query, []), dataset.qrels[query]),
            first_relevant(after[query], dataset.qrels[query]),
            reranked[query].seconds,
            reranked[query].not_reranked,
        )
        for query, text in dataset.queries.items()
    ]
    changes = _changes(queries, names(top))
    latency = _latency([one.seconds for one in queries])
    return Report(dataset.name, len(dataset.documents), changes, latency, queries, before, after)


def _changes(queries: list[QueryChange], measures: list[str]) -> dict[str, Change]:
    columns: list[list[float]] = []
    for name in measures:
        old = [one.before[name] for one in queries]
        new = [one.after[name] for one in queries]
        columns += [old, new, [b - a for a, b in zip(old, new, strict=True)]]
    found = iter(estimates(columns))
    return {name: Change(next(found), next(found), next(found)) for name in measures}


def _latency(seconds: list[float]) -> dict[str, float]:
    import numpy as np

    found = {f"p{p}": float(np.percentile(seconds, p)) for p in PERCENTILES}
    return {"mean": float(np.mean(seconds)), **found, "max": max(seconds)}
