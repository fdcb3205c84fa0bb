"""Reports the progress of an evaluation on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence

from qwen_rerank.extras import require_package

SHARE = 10
"""Without a terminal, a line is written after each tenth of the queries."""
REPORT_SECONDS = 60.0
"""A line is also written when the last one is older than this."""


def show_stage(text: str) -> None:
    """Write a line about the work that begins."""
    sys.stderr.write(f"{text} ...\n")
    sys.stderr.flush()


def show_progress(queries: Sequence[str], total: int) -> Iterator[str]:
    """The queries one by one, and how many of the total are done.

    It is a bar on a terminal and lines elsewhere, so that a log file shows it, too.
    """
    if not sys.stderr.isatty():
        yield from _lines(queries, total)
        return
    require_package("tqdm", "eval")
    from tqdm import tqdm

    yield from tqdm(queries, total=total, initial=total - len(queries), unit="query")


def _lines(queries: Sequence[str], total: int) -> Iterator[str]:
    shown = time.monotonic()
    for done, query in enumerate(queries, start=total - len(queries) + 1):
        yield query
        share_ended = done * SHARE // total > (done - 1) * SHARE // total
        if share_ended or time.monotonic() - shown > REPORT_SECONDS:
            sys.stderr.write(f"{done} of {total} queries reranked\n")
            sys.stderr.flush()
            shown = time.monotonic()
