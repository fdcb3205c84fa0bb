"""How a report is printed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from qwen_rerank.evaluation import Report
from qwen_rerank.evaluation.bootstrap import Estimate
from qwen_rerank.evaluation.report import QueryChange


@dataclass(frozen=True)
class EvaluationView:
    """A report with the facts that only the command knows."""

    report: Report
    facts: Mapping[str, str]
    """Name of a circumstance -> what it was."""
    per_query: bool

    def json(self) -> str:
        """Everything but the runs."""
        found = {**self.facts, **self.report.to_dict(per_query=self.per_query)}
        return json.dumps(found, ensure_ascii=False, indent=2)

    def table(self) -> str:
        """Lines for people."""
        parts = [*self._head(), *self._measures(), *self._latency()]
        if self.per_query:
            parts += self._queries()
        return "\n".join(parts)

    def _head(self) -> Iterator[str]:
        report = self.report
        yield f"{report.dataset}: {len(report.queries)} queries, {report.documents} documents"
        for name, fact in self.facts.items():
            yield f"{name.replace('_', ' '):<12} {fact}"
        if report.not_reranked:
            yield f"NOT RERANKED: {report.not_reranked} queries, for want of scores"

    def _measures(self) -> Iterator[str]:
        heads = "before", "after", "difference"
        titles = "".join(f"  {head + ' [95 % interval]':<27}" for head in heads)
        yield f"\n{'':<10}{titles}".rstrip()
        for name, one in self.report.changes.items():
            cells = [_cell(one.before), _cell(one.after), _cell(one.difference, "+")]
            yield f"{name:<10}" + "".join(f"  {cell:<27}" for cell in cells).rstrip()

    def _latency(self) -> Iterator[str]:
        found = self.report.latency.items()
        shown = ", ".join(f"{name} {1000 * seconds:.1f}" for name, seconds in found)
        yield f"\nms a query to rerank: {shown}"

    def _queries(self) -> Iterator[str]:
        """A line a query: its measures and the rank of its first relevant document."""
        names = list(self.report.changes)
        yield "\n" + "".join(f"{name:<16}" for name in [*names, "first relevant"]) + "query"
        yield from (_query(one, names) for one in self.report.queries)


def _cell(estimate: Estimate, sign: str = "") -> str:
    low, high = f"{estimate.low:{sign}.4f}", f"{estimate.high:{sign}.4f}"
    return f"{estimate.mean:{sign}.4f} [{low}, {high}]"


def _query(one: QueryChange, names: list[str]) -> str:
    cells = [f"{one.before[name]:.3f} > {one.after[name]:.3f}" for name in names]
    cells.append(f"{one.rank_before or '-'} > {one.rank_after or '-'}")
    return "".join(f"{cell:<16}" for cell in cells) + f"{one.query}  {one.text}"
