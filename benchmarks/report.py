"""Writes what was measured: JSON for machines, Markdown for readers, a plot for the docs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from benchmarks.measure import Row, as_json
from benchmarks.peers import COMPILED


def machine() -> dict[str, str]:
    """What a reader must know to judge the numbers."""
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else _processor()
    return {
        "machine": name,
        "threads": str(torch.get_num_threads()),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "load at the end": f"{os.getloadavg()[0]:.1f}",
    }


def write(
    folder: Path, name: str, image: Path | None, about: dict[str, Any], rows: Sequence[Row]
) -> str:
    """Write them, the plot if there is a place for it, and return the Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    text = markdown(about, rows)
    results = {"about": about, "rows": as_json(rows)}
    (folder / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / f"{name}.md").write_text(text)
    if image:
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_text(plot(rows))
    return text


def markdown(about: dict[str, Any], rows: Sequence[Row]) -> str:
    """One table; ratios say how many times faster ours was."""
    others = [name for name in rows[0].ratio if name != "ours"]
    titles = ["documents", "tokens each", "ours, documents/s", *(f"x {name}" for name in others)]
    titles += [*(f"x {name}, processor time" for name in others)]
    titles += ["of the products' speed", "of torch's own products' speed"]
    titles += ["peak MB, ours", "peak MB, official", "largest difference"]
    lines = [f"- {key}: {value}" for key, value in about.items()]
    lines += ["", line(titles), line(["---"] * len(titles))]
    lines += [line(_cells(row, others)) for row in rows]
    return "\n".join(lines) + "\n"


def plot(rows: Sequence[Row]) -> str:
    """Bars of each peer's time by ours, as SVG."""
    bars = [
        (f"{row.candidates} x {row.kind}", name, ratio)
        for row in rows
        for name, ratio in _steady(row).items()
        if name not in {"ours", COMPILED}
    ]
    scale = 360 / max(ratio for _, _, ratio in bars)
    colours = dict(zip(dict.fromkeys(n for _, n, _ in bars), ("#4477aa", "#ee6677", "#999999"),
                       strict=False))  # fmt: skip
    height = 22 * len(bars) + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="820" height="{height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="820" height="{height}" fill="white"/>',
        '<text x="20" y="24" font-size="15">Processor seconds of each peer for one of ours '
        "(same scores, same run; the line is ours)</text>",
    ]
    for place, (what, name, ratio) in enumerate(bars):
        top = 40 + 22 * place
        parts.append(
            f'<text x="20" y="{top + 13}">{what}</text><text x="150" y="{top + 13}">{name}</text>'
            f'<rect x="310" y="{top}" width="{ratio * scale:.0f}" height="17" '
            f'fill="{colours[name]}"/>'
            f'<text x="{318 + ratio * scale:.0f}" y="{top + 13}">{ratio:.1f}</text>'
        )
    x = 310 + scale
    parts.append(f'<path d="M{x:.0f} 36V{height - 16}" stroke="black" stroke-dasharray="4"/></svg>')
    return "\n".join(parts) + "\n"


def _steady(row: Row) -> dict[str, float]:
    """The ratios that other jobs disturb less: of processor time, where there is any."""
    measured = all(ratio == ratio for ratio in row.work_ratio.values())  # noqa: PLR0124 - NaN
    return row.work_ratio if measured else row.ratio


def _cells(row: Row, others: Sequence[str]) -> list[str]:
    from benchmarks.texts import KINDS

    products = [*row.products_per_second.values()]
    return [
        f"{row.candidates} x {row.kind}",
        f"~{KINDS[row.kind]}",
        f"{row.documents_per_second['ours']:.2f}",
        *(f"{row.ratio[name]:.2f}" if name in row.ratio else "" for name in others),
        *(f"{row.work_ratio[name]:.2f}" if name in row.work_ratio else "" for name in others),
        f"{row.efficiency:.2f}",
        f"{row.efficiency * max(products) / products[0]:.2f}",
        f"{row.peak_megabytes['ours']:.0f}",
        f"{row.peak_megabytes['official']:.0f}" if "official" in row.peak_megabytes else "",
        f"{row.largest_difference:.0e}",
    ]


def line(cells: Sequence[str]) -> str:
    """One row of a table of Markdown."""
    return f"| {' | '.join(cells)} |"


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return platform.processor() or platform.machine()
    names = [line for line in path.read_text().splitlines() if line.startswith("model name")]
    return f"{os.cpu_count()} cores of {names[0].split(':')[1].strip()}"
