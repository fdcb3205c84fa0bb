"""Reads documents out of texts and uploaded files."""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qwen_rerank._validation import checked_text
from qwen_rerank.errors import InvalidInputError, MissingDependencyError
from qwen_rerank.splitting import split_markdown, split_pdf

Separator = Literal["lines", "blank_lines"]

KINDS = ["md", "txt", "pdf", "json", "jsonl", "csv"]
NAMES = ("text", "document", "content", "page_content", "passage", "文本", "文档", "内容")
"""Fields and columns that hold a document's text, the first one present counts."""
LISTS = ("documents", "texts", "passages", "results", "data", "文档")
"""Fields that hold the list of documents in a JSON object, the first one present counts."""


class FileError(ValueError):
    """A file can't be read; `reason` is the key of a text, `line` where it happened."""

    def __init__(self, reason: str, line: int = 0, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.line, self.detail = reason, line, detail


@dataclass(frozen=True, slots=True)
class FileDocuments:
    """The documents of a file."""

    name: str
    documents: tuple[str, ...]


def split_text(text: str, separator: Separator) -> list[str]:
    """The documents of a text, blank ones left out; a form feed ends no line."""
    text = text.replace("\r\n", "\n")
    parts = re.split(r"\n[ \t]*\n", text) if separator == "blank_lines" else text.split("\n")
    return [part.strip("\n") for part in parts if part.strip()]


def read_file(name: str, data: bytes) -> tuple[str, ...]:
    """The documents of a file of one of the `KINDS`, blank ones left out.

    Markdown and PDF are split at their headings, each part under its heading path. A text has
    a document on each line.

    Raises:
        FileError: It is not of the kind that its name says, or holds no documents.
    """
    kind = name.lower().rpartition(".")[2]
    try:
        found = _parts(data) if kind == "pdf" else READERS[kind](_decoded(data))
    except MissingDependencyError as error:
        raise FileError("no_parser", detail=f'`pip install ".[{error.extra}]"`') from None
    documents = tuple(document for document in found if document.strip())
    if not documents:
        raise FileError("no_rows")
    return documents


def _decoded(data: bytes) -> str:
    """UTF-8, or what Excel writes on a Chinese Windows."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise FileError("not_utf8")


def _parts(data: bytes) -> list[str]:
    """The parts of a PDF, which its splitter reads from a file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "upload.pdf"
        file.write_bytes(data)
        try:
            return [unit.with_path() for unit in split_pdf(file)]
        except InvalidInputError as error:
            raise FileError("bad_pdf", detail=str(error).removeprefix(f"{file}: ")) from None


def _from_markdown(text: str) -> list[str]:
    return [unit.with_path() for unit in split_markdown(text)]


def _from_txt(text: str) -> list[str]:
    return split_text(text, "lines")


def _from_json(text: str) -> list[str]:
    value = _parsed(text, 0)
    if isinstance(value, dict):
        value = next((value[name] for name in LISTS if name in value), None)
    if not isinstance(value, list):
        raise FileError("no_list")
    return [_text_of(row, number, "bad_item") for number, row in enumerate(value, start=1)]


def _from_jsonl(text: str) -> Iterator[str]:
    for line, row in enumerate(text.split("\n"), start=1):
        if row.strip():
            yield _text_of(_parsed(row, line), line, "bad_row")


def _parsed(text: str, line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise FileError("bad_json", line or error.lineno) from None
    except (ValueError, RecursionError):
        raise FileError("bad_json", line or 1) from None


def _text_of(value: Any, place: int, reason: str) -> str:
    if isinstance(value, dict):
        value = next((value[name] for name in NAMES if name in value), None)
    if not isinstance(value, str):
        raise FileError(reason, place)
    return checked_text("a row", value)  # half an emoji, escaped, would break the page


def _from_csv(text: str) -> list[str]:
    csv.field_size_limit(1 << 24)
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    named = [head.index(name) for name in NAMES if name in head]
    column = named[0] if named else 0
    return [row[column] for row in rows[bool(named) :] if len(row) > column]


READERS = {
    "md": _from_markdown,
    "txt": _from_txt,
    "json": _from_json,
    "jsonl": _from_jsonl,
    "csv": _from_csv,
}
