"""One ranking, as the page shows and exports it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qwen_rerank.rows import rows
from qwen_rerank.server.page.spreadsheet import as_cell
from qwen_rerank.types import RerankResult

START = 50


@dataclass(frozen=True)
class ShownRanking:
    """A ranking with what it was made from."""

    query: str
    documents: Sequence[str]
    results: Sequence[RerankResult]
    seconds: float
    id: str = ""
    """The id that feedback names."""

    def rows(self) -> list[dict[str, Any]]:
        """One row for each result: index, score, rank, document, as the API gives it."""
        return rows(self.results, self.documents)

    @property
    def moved(self) -> int:
        """How many results stand elsewhere than before."""
        return sum(places_risen(row) != 0 for row in self.rows())

    def as_json(self) -> str:
        """The whole result, exact."""
        whole = {"query": self.query, "reranked_documents": self.rows()}
        return json.dumps(whole, ensure_ascii=False, indent=2)

    def as_csv(self) -> bytes:
        """A table for spreadsheets, which know UTF-8 by its mark at the start.

        A text that a spreadsheet would run as a formula gets an apostrophe before it.
        """
        file = io.StringIO(newline="")
        table = csv.writer(file)
        table.writerow(["rank", "index", "score", "moved", "document"])
        for row in self.rows():
            text = as_cell(row["document"])
            table.writerow([row["rank"], row["index"], row["score"], places_risen(row), text])
        return file.getvalue().encode("utf-8-sig")


def places_risen(row: dict[str, Any]) -> int:
    """How many places a result has risen; negative when it fell."""
    return int(row["index"]) + 1 - int(row["rank"])


def arrow(places: int) -> str:
    """A movement as an arrow and a number."""
    if not places:
        return "–"
    return f"↑ {places}" if places > 0 else f"↓ {-places}"


def start_of(text: str) -> str:
    """The first characters, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= START else f"{line[:START]}…"
