"""Evaluation sets: folders in BEIR's layout (corpus.jsonl, queries.jsonl, qrels.tsv)."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TestSet:
    """``grades[i]`` maps a document's place to its grade for ``queries[i]``."""

    name: str
    documents: list[str]
    queries: list[str]
    grades: list[dict[int, int]]


def load_set(folder: Path, limit: int | None = None) -> TestSet:
    """Read a folder; ``limit`` keeps that many queries, spread evenly over the file."""
    rows = [json.loads(line) for line in _lines(folder / "corpus.jsonl")]
    place = {row["_id"]: i for i, row in enumerate(rows)}
    grades: dict[str, dict[int, int]] = {}
    for line in _lines(folder / "qrels.tsv"):
        query, document, grade = line.split("\t")
        if grade.strip().lstrip("-").isdigit() and document in place:
            grades.setdefault(query, {})[place[document]] = int(grade)
    asked = [json.loads(line) for line in _lines(folder / "queries.jsonl")]
    asked = _spread([q for q in asked if q["_id"] in grades], limit)
    return TestSet(
        folder.name,
        [_text(row) for row in rows],
        [q["text"] for q in asked],
        [grades[q["_id"]] for q in asked],
    )


def _text(row: dict[str, str]) -> str:
    """The text alone; the title only where there is no text, as in many records of CACM."""
    return row["text"] or row["title"]


def _spread(rows: list[dict[str, str]], limit: int | None) -> list[dict[str, str]]:
    if limit is None or limit >= len(rows):
        return rows
    return [rows[i * len(rows) // limit] for i in range(limit)]


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
