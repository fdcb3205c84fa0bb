"""A picture of a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qwen_rerank.errors import MissingDependencyError
from qwen_rerank.evaluation.report import Change, Report

BEFORE, AFTER = "#9aa5b1", "#1f6feb"


def plot(report: Report, file: Path) -> None:
    """Write a PNG: bars before and after, and how the first relevant document moved."""
    try:
        from matplotlib.figure import Figure  # without pyplot: no display, no global state
    except ImportError:
        raise MissingDependencyError("matplotlib", "eval") from None
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    bars, ranks = figure.subplots(1, 2, width_ratios=(3, 2))
    figure.suptitle(f"{report.dataset}: {len(report.queries)} queries")
    _draw_bars(bars, report.changes)
    _draw_ranks(ranks, report)
    figure.savefig(file, format="png", dpi=150)


def _draw_bars(axes: Any, changes: dict[str, Change]) -> None:
    width = 0.38
    for side, color, shift in (("before", BEFORE, -width / 2), ("after", AFTER, width / 2)):
        found = [getattr(change, side) for change in changes.values()]
        means = [one.mean for one in found]
        errors = [[one.mean - one.low for one in found], [one.high - one.mean for one in found]]
        places = [place + shift for place in range(len(found))]
        drawn = axes.bar(places, means, width, yerr=errors, label=side, color=color, capsize=2)
        axes.bar_label(drawn, fmt="%.3f", fontsize=7, padding=2)
    axes.set_xticks(range(len(changes)), changes)
    axes.set_title("Means with 95 % intervals", fontsize=10)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=2, frameon=False)


def _draw_ranks(axes: Any, report: Report) -> None:
    """One bubble for each pair of ranks, its area the number of queries."""
    pairs = [(one.rank_before, one.rank_after) for one in report.queries]
    found = [pair for pair in pairs if None not in pair]
    counts = {pair: found.count(pair) for pair in set(found)}
    top = max((rank for pair in found for rank in pair if rank), default=1)
    sizes = [12 + 400 * count / len(found) for count in counts.values()]
    axes.plot([1, top], [1, top], color=BEFORE, linewidth=1, zorder=0)
    axes.scatter(
        *(zip(*counts, strict=True) if counts else ([], [])), sizes, color=AFTER, alpha=0.6
    )
    axes.set_xlabel("rank before")
    axes.set_ylabel("rank after (above the line: better)")
    axes.invert_yaxis()
    missing = len(pairs) - len(found)
    axes.set_title(f"First relevant document ({missing} queries found none)", fontsize=10)
