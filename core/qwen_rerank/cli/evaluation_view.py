"""Formats a report for the terminal and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from qwen_rerank.evaluation import Report
from qwen_rerank.evaluation.bootstrap import Estimate
from qwen_rerank.evaluation.report import QueryChange

TITLES = {"difference": "after", "fusion_difference": "fusion"}
"""Titles of columns in the table of differences."""


@dataclass(frozen=True)
class EvaluationView:
    """A report with the conditions under which it was measured."""

    report: Report
    facts: Mapping[str, str]
    """Name of a condition -> its value."""
    per_query: bool
    """Whether to show each query, too."""

    def json(self) -> str:
        """Everything but the runs."""
        found = {**self.facts, **self.report.to_dict(per_query=self.per_query)}
        return json.dumps(found, ensure_ascii=False, indent=2)

    def table(self) -> str:
        """The report as lines of text."""
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
            yield f"NOT RERANKED: {report.not_reranked} queries, they have no scores"

    def _measures(self) -> Iterator[str]:
        """A table of the orders, and with fusion a second one of the differences."""
        yield ""
        if self.report.fusion is None:
            yield from self._columns("before", "after", "difference")
        else:
            yield from self._columns("before", "after", "fusion")
            yield "\ndifference to before:"
            yield from self._columns("difference", "fusion_difference")

    def _columns(self, *fields: str) -> Iterator[str]:
        """A line for each measure with its means and intervals; `fields` are those of `Change`."""
        titles = TITLES if self.report.fusion is not None else {}
        heads = [f"{titles.get(field, field)} [95 % interval]" for field in fields]
        yield f"{'':<10}" + "".join(f"  {head:<27}" for head in heads).rstrip()
        for name, change in self.report.changes.items():
            cells = [_cell(getattr(change, field), field) for field in fields]
            yield f"{name:<10}" + "".join(f"  {cell:<27}" for cell in cells).rstrip()

    def _latency(self) -> Iterator[str]:
        found = self.report.latency.items()
        text = ", ".join(f"{name} {1000 * seconds:.1f}" for name, seconds in found)
        yield f"\nms a query to rerank: {text}"

    def _queries(self) -> Iterator[str]:
        """A line for each query: its measures and the rank of its first relevant document."""
        names = list(self.report.changes)
        width = 16 if self.report.fusion is None else 24
        yield "\n" + "".join(f"{name:<{width}}" for name in [*names, "first relevant"]) + "query"
        yield from (_query(one, names, width) for one in self.report.queries)


def _cell(estimate: Estimate, field: str) -> str:
    sign = "+" if field.endswith("difference") else ""
    low, high = f"{estimate.low:{sign}.4f}", f"{estimate.high:{sign}.4f}"
    return f"{estimate.mean:{sign}.4f} [{low}, {high}]"


def _query(one: QueryChange, names: list[str], width: int) -> str:
    orders = [figures for figures in (one.before, one.after, one.fusion) if figures is not None]
    ranks = [one.rank_before, one.rank_after, one.rank_fusion][: len(orders)]
    cells = [" > ".join(f"{figures[name]:.3f}" for figures in orders) for name in names]
    cells.append(" > ".join(str(rank or "-") for rank in ranks))
    return "".join(f"{cell:<{width}}" for cell in cells) + f"{one.query}  {one.text}"
