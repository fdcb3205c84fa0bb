"""Splits PDF, by pdfplumber's reading of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qwen_rerank.errors import MissingDependencyError
from qwen_rerank.splitting.packing import pack
from qwen_rerank.splitting.tokens import CountTokens, choose_counter
from qwen_rerank.splitting.unit import Block, Unit

LARGER = 1.08
"""A line is a heading from this many times the size of the body's letters."""
GAP = 0.8
"""A paragraph ends where the space below a line is more than this share of its height."""
MONOSPACED = ("mono", "courier", "consol", "code", "menlo")


def split_pdf(
    file: str | Path,
    *,
    max_tokens: int = 512,
    count: CountTokens | None = None,
    model: str | None = None,
) -> list[Unit]:
    """Split a PDF with text in it at its headings; see `pack` and `choose_counter`.

    A PDF has no headings, only larger letters: each size above the body's is a level, the
    largest first. Ruled tables become lines with `|` between cells, lines in monospaced letters
    a listing. A scanned page has no text and gives none.
    """
    return pack(pdf_blocks(file), max_tokens, choose_counter(count, model))


def pdf_blocks(file: str | Path) -> Iterator[Block]:
    """The blocks of all pages, from top to bottom."""
    try:
        import pdfplumber
    except ImportError:
        raise MissingDependencyError("pdfplumber", "splitting") from None
    with pdfplumber.open(file) as document:
        parts = [part for page in document.pages for part in _parts(page)]
    levels = _levels([part for part in parts if not part["rows"]])
    yield from _joined(parts, levels)


def _parts(page: Any) -> list[dict[str, Any]]:
    """Lines of text and tables, each with its place on the page."""
    tables = page.find_tables()
    boxes = [table.bbox for table in tables]
    rest = page.filter(lambda thing: not any(_inside(thing, box) for box in boxes))
    parts = [_line(line) for line in rest.extract_text_lines(return_chars=True)]
    for table in tables:
        found = {"rows": table.extract(), "top": table.bbox[1], "bottom": table.bbox[3]}
        parts.append({**found, "size": 0.0, "code": False, "text": ""})
    return sorted(parts, key=lambda part: part["top"])


def _line(line: dict[str, Any]) -> dict[str, Any]:
    sizes = Counter(round(char["size"], 1) for char in line["chars"])
    fonts = Counter(char["fontname"].lower() for char in line["chars"])
    [(size, _)], [(font, _)] = sizes.most_common(1), fonts.most_common(1)
    code = any(name in font for name in MONOSPACED)
    place = {"top": line["top"], "bottom": line["bottom"]}
    return {**place, "rows": None, "size": size, "code": code, "text": line["text"]}


def _inside(thing: dict[str, Any], box: tuple[float, float, float, float]) -> bool:
    if thing.get("object_type") != "char":
        return False
    middle = (thing["x0"] + thing["x1"]) / 2, (thing["top"] + thing["bottom"]) / 2
    return bool(box[0] <= middle[0] <= box[2] and box[1] <= middle[1] <= box[3])


def _levels(lines: list[dict[str, Any]]) -> dict[float, int]:
    """Size of letters -> level of heading; sizes of the body are not in it."""
    sizes: Counter[float] = Counter()
    for line in lines:
        sizes[line["size"]] += len(line["text"])
    if not sizes:
        return {}
    body = sizes.most_common(1)[0][0]
    larger = sorted((size for size in sizes if size >= body * LARGER), reverse=True)
    return {size: min(level, 6) for level, size in enumerate(larger, start=1)}


def _joined(parts: list[dict[str, Any]], levels: dict[float, int]) -> Iterator[Block]:
    """Blocks of lines that belong together: of one kind, without a gap between."""
    held: list[dict[str, Any]] = []
    for part in parts:
        if held and not _continues(held[-1], part):
            yield _block(held, levels)
            held = []
        held.append(part)
    if held:
        yield _block(held, levels)


def _continues(last: dict[str, Any], part: dict[str, Any]) -> bool:
    same = (last["size"], last["code"]) == (part["size"], part["code"])
    near = 0 <= part["top"] - last["bottom"] <= GAP * (last["bottom"] - last["top"])
    return same and near and not last["rows"] and not part["rows"]


def _block(parts: list[dict[str, Any]], levels: dict[float, int]) -> Block:
    first = parts[0]
    if first["rows"]:
        return Block("\n".join(map(_row, first["rows"])), whole=True)
    if first["code"]:
        return Block("\n".join(part["text"] for part in parts), whole=True)
    text = " ".join(part["text"] for part in parts)
    return Block(text, levels.get(first["size"], 0))


def _row(cells: list[str | None]) -> str:
    return " | ".join(" ".join((cell or "").split()) for cell in cells)
