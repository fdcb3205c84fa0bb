"""The lines and tables of a PDF page, found by pdfplumber."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

MONOSPACED = ("mono", "courier", "consol", "code", "menlo")
Box = tuple[float, float, float, float]
"""Left, top, right and bottom in points from the page's upper left corner."""


@dataclass(frozen=True, slots=True)
class PdfPart:
    """A line of text, or a table."""

    text: str
    """A table's rows are lines with `|` between the cells."""
    top: float
    """Distance from the upper edge of the page, in points."""
    bottom: float
    size: float
    """Most letters have it, in points; 0 for a table."""
    code: bool = False
    """Whether the letters are monospaced."""
    table: bool = False


def page_parts(page: Any) -> list[PdfPart]:
    """The parts of a pdfplumber page, from top to bottom."""
    tables = page.find_tables()
    boxes = [table.bbox for table in tables]
    rest = page.filter(lambda thing: not any(_inside(thing, box) for box in boxes))
    parts = [_line(line) for line in rest.extract_text_lines(return_chars=True)]
    parts += [_table(table) for table in tables]
    return sorted(parts, key=lambda part: part.top)


def _line(line: dict[str, Any]) -> PdfPart:
    sizes = Counter(round(float(char["size"]), 1) for char in line["chars"])
    fonts = Counter(char["fontname"].lower() for char in line["chars"])
    [(size, _)], [(font, _)] = sizes.most_common(1), fonts.most_common(1)
    code = any(name in font for name in MONOSPACED)
    return PdfPart(line["text"], float(line["top"]), float(line["bottom"]), size, code)


def _table(table: Any) -> PdfPart:
    text = "\n".join(map(_row, table.extract()))
    return PdfPart(text, float(table.bbox[1]), float(table.bbox[3]), 0.0, table=True)


def _row(cells: list[str | None]) -> str:
    return " | ".join(" ".join((cell or "").split()) for cell in cells)


def _inside(thing: dict[str, Any], box: Box) -> bool:
    if thing.get("object_type") != "char":
        return False
    middle = (thing["x0"] + thing["x1"]) / 2, (thing["top"] + thing["bottom"]) / 2
    return bool(box[0] <= middle[0] <= box[2] and box[1] <= middle[1] <= box[3])
