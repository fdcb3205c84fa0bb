"""Reads datasets: folders in BEIR's layout, and JSONL files of queries with documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qwen_rerank.errors import InvalidInputError
from qwen_rerank.evaluation.dataset import Dataset

QRELS = ("qrels.tsv", "qrels/test.tsv")
"""The judgements of a folder; the second is BEIR's own place."""


def read_dataset(path: str | Path, *, titles: bool = True) -> Dataset:
    """Read a folder with corpus.jsonl, queries.jsonl and qrels.tsv, or a JSONL file.

    A line of the file is `{"query": text, "documents": [text, ...], "relevant": [place, ...]}`,
    places counted from 0; other keys are ignored.

    Args:
        path: The folder or the file.
        titles: Begin each document of a folder with its title, as BEIR does; otherwise a title
            stands only for a text that is empty.

    Raises:
        InvalidInputError: It is neither, or a line is wrong; the message names the line.
    """
    path = Path(path)
    dataset = _folder(path, titles) if path.is_dir() else _cases(path)
    if not dataset.queries:
        raise InvalidInputError(f"{path}: no query has a relevant document")
    return dataset


def _folder(folder: Path, titles: bool) -> Dataset:
    documents = {id_: _document(line, titles) for id_, line in _by_id(folder / "corpus.jsonl")}
    queries = {id_: str(line["text"]) for id_, line in _by_id(folder / "queries.jsonl")}
    qrels = _qrels(_qrels_file(folder), documents)
    judged = {query: text for query, text in queries.items() if any(qrels.get(query, {}).values())}
    grades = {query: qrels[query] for query in judged}
    left_out = len(queries) - len(judged)
    return Dataset(folder.name, documents, judged, grades, left_out=left_out)


def _document(line: dict[str, Any], titles: bool) -> str:
    title, text = str(line.get("title") or ""), str(line["text"])
    return f"{title} {text}".strip() if titles else text or title


def _by_id(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    seen: set[str] = set()
    for number, line in _lines(file, ("_id", "text")):
        id_ = str(line["_id"])
        if id_ in seen:
            raise InvalidInputError(f"{file}:{number}: the id {id_!r} occurs twice")
        seen.add(id_)
        yield id_, line


def _qrels_file(folder: Path) -> Path:
    for name in QRELS:
        if (folder / name).exists():
            return folder / name
    raise InvalidInputError(f"{folder}: wanted judgements in {' or '.join(QRELS)}")


def _qrels(file: Path, documents: dict[str, str]) -> dict[str, dict[str, int]]:
    """Lines of query, document and grade, with tabs between and perhaps a header."""
    qrels: dict[str, dict[str, int]] = {}
    for number, text in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
        if not text.strip() or (number == 1 and text.startswith("query-id")):
            continue
        try:
            query, document, grade = text.rstrip("\r").split("\t")
            qrels.setdefault(query, {})[document] = max(0, int(grade))
        except ValueError:
            raise InvalidInputError(
                f"{file}:{number}: wanted query, document and grade with tabs between, got {text!r}"
            ) from None
        if document not in documents:
            raise InvalidInputError(f"{file}:{number}: the corpus has no document {document!r}")
    return qrels


def _cases(file: Path) -> Dataset:
    documents: dict[str, str] = {}
    queries, qrels, pools, left_out = {}, {}, {}, 0
    for number, line in _lines(file, ("query", "documents", "relevant")):
        pool = {f"{number}-{place}": text for place, text in enumerate(line["documents"])}
        if not all(place in range(len(pool)) for place in line["relevant"]):
            raise InvalidInputError(f"{file}:{number}: `relevant` has a place without a document")
        documents |= pool
        left_out += not line["relevant"]
        if line["relevant"]:
            queries[str(number)] = str(line["query"])
            qrels[str(number)] = {f"{number}-{place}": 1 for place in line["relevant"]}
            pools[str(number)] = list(pool)
    return Dataset(file.name, documents, queries, qrels, pools, left_out)


def _lines(file: Path, keys: tuple[str, ...]) -> Iterator[tuple[int, dict[str, Any]]]:
    if not file.exists():
        raise InvalidInputError(f"{file}: no such file")
    for number, text in enumerate(file.read_text("utf-8-sig").split("\n"), start=1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
        except ValueError as error:
            raise InvalidInputError(f"{file}:{number}: not JSON: {error}") from None
        if not isinstance(line, dict) or any(key not in line for key in keys):
            raise InvalidInputError(f"{file}:{number}: wanted an object with {', '.join(keys)}")
        yield number, line
