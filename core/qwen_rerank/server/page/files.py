"""Reads documents out of uploaded files."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from qwen_rerank._validation import checked_text

NAMES = ("text", "document", "content", "page_content", "passage", "文本", "文档", "内容")
"""Fields and columns that hold a document's text, the first one present counts."""


class FileError(ValueError):
    """A file can't be read; `reason` is one of the page's translate, `line` where it happened."""

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.line = reason, line


def read_documents(name: str, data: bytes) -> list[str]:
    """The documents of a .txt, .jsonl or .csv file, blank ones left out.

    Raises:
        FileError: It is no text, or not of the kind that its name says.
    """
    text = _decoded(data)
    if name.lower().endswith(".jsonl"):
        found = _from_jsonl(text)
    elif name.lower().endswith(".csv"):
        found = _from_csv(text)
    else:
        found = lines_of(text)
    documents = [document for document in found if document.strip()]
    if not documents:
        raise FileError("no_rows")
    return documents


def lines_of(text: str) -> list[str]:
    """The lines that hold something; only real line ends count, not a form feed."""
    return [line for line in text.replace("\r\n", "\n").split("\n") if line.strip()]


def _decoded(data: bytes) -> str:
    """UTF-8, or what Excel writes on a Chinese Windows."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise FileError("not_utf8")


def _from_jsonl(text: str) -> list[str]:
    rows = enumerate(text.split("\n"), start=1)
    return [_from_row(row, line) for line, row in rows if row.strip()]


def _from_row(row: str, line: int) -> str:
    try:
        value: Any = json.loads(row)
    except (ValueError, RecursionError):
        raise FileError("bad_json", line) from None
    if isinstance(value, dict):
        value = next((value[name] for name in NAMES if name in value), None)
    if not isinstance(value, str):
        raise FileError("bad_row", line)
    return checked_text("a row", value)  # half an emoji, escaped, would break the page


def _from_csv(text: str) -> list[str]:
    csv.field_size_limit(1 << 24)
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    named = [head.index(name) for name in NAMES if name in head]
    column = named[0] if named else 0
    return [row[column] for row in rows[bool(named) :] if len(row) > column]
