"""Draws where the key documents of the demo stand, before and after reranking."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from examples.support.cases import Outcome
from qwen_rerank import MissingDependencyError

BEFORE, AFTER = "#9aa5b1", "#1f6feb"


def draw(outcomes: Sequence[Outcome], file: Path) -> None:
    """Write a PNG: a row for each question, with the rank of its key document."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError("matplotlib", "eval") from None
    figure = Figure(figsize=(8, 1 + 0.35 * len(outcomes)), layout="constrained")
    axes = figure.subplots()
    rows = range(1, len(outcomes) + 1)
    before = [outcome.key_ranks[0] for outcome in outcomes]
    after = [outcome.key_ranks[1] for outcome in outcomes]
    axes.hlines(rows, before, after, color=BEFORE, linewidth=1, zorder=0)
    axes.scatter(before, rows, color=BEFORE, label="FAISS")
    axes.scatter(after, rows, color=AFTER, label="FAISS, then reranked")
    axes.set_xlabel("rank of the document that answers best (1 is first)")
    axes.set_ylabel("question")
    axes.set_xticks(range(1, 1 + max(len(outcome.before) for outcome in outcomes)))
    axes.set_yticks(rows)
    axes.invert_yaxis()
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.18), ncols=2, frameon=False)
    figure.savefig(file, dpi=150)
