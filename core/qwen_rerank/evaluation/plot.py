"""Draws the figures of a report."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwen_rerank.errors import ConfigError
from qwen_rerank.evaluation.bootstrap import Estimate
from qwen_rerank.evaluation.report import Report
from qwen_rerank.extras import require_package

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLORS = {"before": "#9aa5b1", "after": "#1f6feb", "fusion": "#2da44e"}
COUNTED = "hits@"
"""Measures whose name begins so are numbers of documents; the others lie in [0, 1]."""
LARGEST = 400
"""Area of the bubble that stands for the most queries, in square points."""
SMALLEST_DOT = 12


def check_plot(file: Path) -> None:
    """Raise before any work if the picture could not be written.

    Raises:
        ConfigError: The folder is missing or can't be written to, or the path is a folder.
        MissingDependencyError: matplotlib is not installed.
    """
    require_package("matplotlib", "eval")
    if file.is_dir():
        raise ConfigError(f"plot: wanted a file, got the folder {file}")
    if not os.access(file.parent, os.W_OK):
        raise ConfigError(f"plot: {file.parent} is not a folder that can be written to")


def plot(report: Report, file: Path) -> None:
    """Write the drawing as a PNG."""
    draw(report).savefig(file, format="png", dpi=150)


def draw(report: Report) -> Figure:
    """Bars of the means, and how the rank of the first relevant document changed."""
    require_package("matplotlib", "eval")
    from matplotlib.figure import Figure  # without pyplot: no display, no global state

    figure = Figure(figsize=(12, 4.5), layout="constrained")
    proportions, hits, ranks = figure.subplots(1, 3, width_ratios=(4, 1, 4))
    figure.suptitle(f"{report.dataset}: {len(report.queries)} queries")
    counted = [name for name in report.changes if name.startswith(COUNTED)]
    _draw_bars(proportions, report, [name for name in report.changes if name not in counted])
    _draw_bars(hits, report, counted)
    proportions.set_ylim(0, 1.08)
    proportions.set_title("Means with 95 % intervals", fontsize=10)
    proportions.legend(loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=3, frameon=False)
    hits.set_ylabel("relevant documents", fontsize=9)
    _draw_ranks(ranks, report)
    return figure


def _draw_bars(axes: Any, report: Report, names: list[str]) -> None:
    """A group of bars for each measure, a bar for each order."""
    sides = [side for side in COLORS if side != "fusion" or report.fusion is not None]
    width = 0.8 / len(sides)
    for number, side in enumerate(sides):
        found: list[Estimate] = [getattr(report.changes[name], side) for name in names]
        means = [one.mean for one in found]
        errors = [[one.mean - one.low for one in found], [one.high - one.mean for one in found]]
        places = [place + (number - (len(sides) - 1) / 2) * width for place in range(len(found))]
        color = COLORS[side]
        drawn = axes.bar(places, means, width, yerr=errors, label=side, color=color, capsize=2)
        axes.bar_label(drawn, fmt="%.3f", fontsize=7, padding=2)
    axes.set_xticks(range(len(names)), names)


def _draw_ranks(axes: Any, report: Report) -> None:
    """A bubble for each pair of ranks; its area is the number of queries."""
    pairs = Counter((one.rank_before, one.rank_after) for one in report.queries)
    found = {pair: count for pair, count in pairs.items() if None not in pair}
    largest = max(found.values(), default=1)
    last = max((rank for pair in found for rank in pair if rank is not None), default=1)
    axes.plot([1, last], [1, last], color=COLORS["before"], linewidth=1, zorder=0)
    before, after = [pair[0] for pair in found], [pair[1] for pair in found]
    areas = [_area(count, largest) for count in found.values()]
    axes.scatter(before, after, areas, color=COLORS["after"], alpha=0.6)
    axes.set_xlabel("rank before")
    axes.set_ylabel("rank after (above the line: better)")
    axes.invert_yaxis()
    _use_whole_numbers(axes)
    _add_sizes(axes, sorted({1, max(1, largest // 2), largest}), largest)
    missing = sum(pairs.values()) - sum(found.values())
    axes.set_title(f"First relevant document ({missing} queries found none)", fontsize=10)


def _area(count: int, largest: int) -> float:
    return max(SMALLEST_DOT, LARGEST * count / largest)


def _use_whole_numbers(axes: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _add_sizes(axes: Any, counts: list[int], largest: int) -> None:
    """A legend that says how many queries a bubble stands for."""
    for count in counts:
        label = "1 query" if count == 1 else f"{count} queries"
        axes.scatter([], [], _area(count, largest), color=COLORS["after"], alpha=0.6, label=label)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, labelspacing=1.4)
