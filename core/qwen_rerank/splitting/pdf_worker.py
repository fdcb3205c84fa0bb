"""The process that reads one PDF from standard input: `python -m qwen_rerank.splitting.pdf_worker`.

Its arguments are the CPU seconds and the bytes of memory that it may take. It writes a line of
JSON for each page, or one that says why it stopped.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from qwen_rerank.splitting.pdf_page import page_parts


def main() -> None:
    """Read the PDF within the limits."""
    seconds, memory = map(int, sys.argv[1:])
    _limit(seconds, memory)
    logging.disable()  # the parser warns of every oddity of a file
    try:
        for parts in _pages():
            _write({"page": parts})
    except Exception as error:  # whatever a broken file makes the parser raise
        _write(_described(error))


def _limit(seconds: int, memory: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory),
    ):
        with contextlib.suppress(ValueError, OSError):  # a stricter one holds, or none can be set
            resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))


def _pages() -> Iterator[list[dict[str, Any]]]:
    import pdfplumber

    with os.fdopen(sys.stdin.fileno(), "rb") as file, pdfplumber.open(file) as document:
        for page in document.pages:
            yield [asdict(part) for part in page_parts(page)]
            page.close()  # drops its letters: some MB of them


def _described(error: BaseException) -> dict[str, str]:
    """What is reported of an error: its kind, and the parser's own message."""
    from pdfminer.pdfdocument import PDFEncryptionError

    if error.args and isinstance(error.args[0], Exception):
        return _described(error.args[0])  # pdfplumber wraps the parser's errors
    if isinstance(error, PDFEncryptionError):
        return {"error": "encrypted"}
    if isinstance(error, MemoryError):
        return {"error": "memory"}
    return {"error": "malformed", "message": f"{type(error).__name__}: {error}"[:200]}


def _write(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201 - the reply


if __name__ == "__main__":
    main()
