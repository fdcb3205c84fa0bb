"""One result, as the page shows and exports it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qwen_rerank.rows import rows
from qwen_rerank.server.page.choice import PageRequest
from qwen_rerank.server.page.entry import Entry
from qwen_rerank.server.page.spreadsheet import as_cell
from qwen_rerank.types import RerankResult

START = 50


@dataclass(frozen=True, slots=True)
class Row:
    """One document of a ranking. Places count from 1."""

    place: int
    """Its place in the new order."""
    before: int
    """Its place in the order before."""
    result: RerankResult
    document: str

    @property
    def risen(self) -> int:
        """How many places it has risen; negative when it fell."""
        return self.before - self.place


@dataclass(frozen=True, slots=True)
class ShownRanking:
    """A ranking with what it was made from."""

    query: str
    documents: Sequence[str]
    results: Sequence[RerankResult]
    seconds: float
    model: str = ""
    instruction: str | None = None
    id: str = ""
    """The id that feedback names; empty where no feedback is stored."""

    def rows(self, threshold: float = 0.0) -> list[Row]:
        """One row for each result that scores at least `threshold`, or has no score."""
        return [
            Row(place, result.index + 1, result, self.documents[result.index])
            for place, result in enumerate(self.results, start=1)
            if result.score is None or result.score >= threshold
        ]

    @property
    def moved(self) -> int:
        """How many results stand elsewhere than before."""
        return sum(row.risen != 0 for row in self.rows())

    def as_json(self) -> str:
        """The whole result, exact, in the form of the API's reply."""
        reply = rows(self.results, self.documents)
        whole: dict[str, Any] = {"query": self.query, "reranked_documents": reply}
        return json.dumps(whole, ensure_ascii=False, indent=2)

    def as_csv(self) -> bytes:
        """A table for spreadsheets, which know UTF-8 by its mark at the start.

        A text that a spreadsheet would run as a formula gets an apostrophe before it.
        """
        file = io.StringIO(newline="")
        table = csv.writer(file)
        table.writerow(["rank", "index", "score", "moved", "document"])
        for row in self.rows():
            text, result = as_cell(row.document), row.result
            table.writerow([row.place, result.index, result.score, row.risen, text])
        return file.getvalue().encode("utf-8-sig")


@dataclass(frozen=True, slots=True)
class ShownResult:
    """What one click on the button brought: a ranking, or two to compare."""

    number: int
    """Counts the results of a visit."""
    time: str
    entry: Entry
    request: PageRequest
    rankings: tuple[ShownRanking, ...]

    def changed(self) -> list[Row]:
        """The second ranking's rows, with the places of the first one as those before."""
        first, second = self.rankings
        places = {row.result.index: row.place for row in first.rows()}
        return [
            Row(row.place, places[row.result.index], row.result, row.document)
            for row in second.rows()
            if row.result.index in places
        ]


def arrow(places: int) -> str:
    """A movement as an arrow and a number."""
    if not places:
        return "–"
    return f"↑ {places}" if places > 0 else f"↓ {-places}"


def start_of(text: str, length: int = START) -> str:
    """The first characters, on one line; cut between two words where there are words."""
    line = " ".join(text.split())
    if len(line) <= length:
        return line
    words = line[: length + 1].rpartition(" ")[0]
    return f"{words if len(words) > length // 2 else line[:length]}…"


def as_code(text: str) -> str:
    """A text for Streamlit's labels and headings, which read Markdown everywhere but in code."""
    return f"`{start_of(text, 200).replace('`', '´') or ' '}`"
