"""Reads documents, one on each line."""

from __future__ import annotations

import sys
from pathlib import Path

from qwen_rerank.errors import InvalidInputError


def read_documents(file: str | None) -> list[str]:
    """The lines of a UTF-8 file, without empty ones; `None` or `-` reads standard input.

    Raises:
        InvalidInputError: It is no UTF-8 text.
    """
    data = sys.stdin.buffer.read() if file in (None, "-") else Path(str(file)).read_bytes()
    try:
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{file or 'standard input'} is no UTF-8 text: {error}") from None
    return [line.rstrip("\r") for line in lines if line.strip()]
