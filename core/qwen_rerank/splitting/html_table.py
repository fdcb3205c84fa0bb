"""The text of an HTML table."""

from __future__ import annotations


class HtmlTable:
    """Collects rows of cells: a line for each row, `|` between cells.

    Text outside cells, such as a caption, is a line of its own. A table inside a cell is text
    of that cell.
    """

    def __init__(self) -> None:
        self._rows: list[list[list[str]]] = [[[]]]
        self._in_row = False

    def start(self, tag: str) -> None:
        """An element of this table begins."""
        if tag in {"tr", "caption"}:
            self._rows.append([[]])
            self._in_row = False
        elif tag in {"td", "th"}:
            self._start_cell()

    def _start_cell(self) -> None:
        if self._in_row:
            self._rows[-1].append([])
        elif any(map(str.strip, self._rows[-1][0])):
            self._rows.append([[]])
        self._in_row = True

    def add(self, text: str) -> None:
        """Text belongs to the last cell."""
        self._rows[-1][-1].append(text)

    def text(self) -> str:
        """The rows that have text."""
        rows = ([one_line("".join(cell)) for cell in row] for row in self._rows)
        return "\n".join(" | ".join(row) for row in rows if any(row))


def one_line(text: str) -> str:
    """The text with each run of white space as one blank."""
    return " ".join(text.split())
