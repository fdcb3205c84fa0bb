"""Passages to search: a folder of notes, or the documentation inside Python itself."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

STDLIB = Path(os.__file__).parent


def read_corpus(name: str) -> list[str]:
    """The passages of `"stdlib"`, or of the .md and .txt files below a folder."""
    passages = list(_docstrings() if name == "stdlib" else _notes(Path(name)))
    if not passages:
        raise SystemExit(f"no passages in {name!r}: wanted a folder with .md or .txt files")
    return passages


def _notes(folder: Path) -> Iterator[str]:
    for path in sorted([*folder.rglob("*.md"), *folder.rglob("*.txt")]):
        paragraphs = re.split(r"\n\s*\n", _text(path))
        yield from (paragraph.strip() for paragraph in paragraphs if paragraph.strip())


def _text(path: Path) -> str:
    """UTF-8, or GB 18030 as many Chinese notes still are."""
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gb18030", errors="replace")


def _docstrings() -> Iterator[str]:
    """Every documented function and class of the standard library's pure modules."""
    for path in sorted(STDLIB.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8", errors="replace"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                text = ast.get_docstring(node)
                if text and len(text) > 40:
                    yield f"{path.stem}.{node.name}: {text}"
