"""Measures of rankings, computed by ir-measures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qwen_rerank.evaluation.dataset import Qrels
from qwen_rerank.evaluation.run import Ranking, Run, separated

Figures = dict[str, float]
"""Name of a measure -> its value."""


def names(top: int) -> list[str]:
    """The measures, in the order in which they are shown."""
    return [f"hit@{top}", f"hits@{top}", "MRR@10", "nDCG@10", "recall@10"]


def measure(run: Run, qrels: Qrels, top: int) -> dict[str, Figures]:
    """Each query's figures; a query without a ranking has zeros.

    `hit@k` is 1 when the first k hold a relevant document, `hits@k` is how many they hold.
    """
    import ir_measures as ir

    chosen = [ir.Success @ top, ir.P @ top, ir.RR @ 10, ir.nDCG @ 10, ir.R @ 10]
    measures = dict(zip(names(top), chosen, strict=True))
    found: dict[str, Figures] = {query: {} for query in qrels}
    scores = {query: dict(separated(ranking)) for query, ranking in run.items()}
    for one in ir.iter_calc(chosen, qrels, scores):
        found[one.query_id][str(one.measure)] = one.value
    return {query: _figures(values, measures, top) for query, values in found.items()}


def first_relevant(ranking: Ranking, grades: Mapping[str, int]) -> int | None:
    """The rank, from 1, of the first relevant document."""
    for rank, (document, _) in enumerate(ranking, start=1):
        if grades.get(document, 0) > 0:
            return rank
    return None


def _figures(values: Figures, measures: Mapping[str, Any], top: int) -> Figures:
    figures = {name: values.get(str(one), 0.0) for name, one in measures.items()}
    figures[f"hits@{top}"] *= top  # ir-measures counts the share of the first k
    return figures
