"""When to ask again, and how long to wait before."""

from __future__ import annotations

import random
import time
from datetime import UTC
from email.utils import parsedate_to_datetime

from qwen_rerank.fork_lock import ForkLock

FIRST_WAIT = 0.2
LONGEST_WAIT = 8.0
"""Seconds; a wait is drawn between 0 and `FIRST_WAIT * 2**n`, which spreads callers out."""
EARNED_PER_CALL = 0.1
MOST_SAVED = 10.0
SAVED_AT_START = 3.0
"""In repeats: a tenth of the calls may be repeated, so that a server in trouble meets
little more load than before, and not a multiple of it."""


def jittered_wait(repeats: int) -> float:
    """Seconds to wait before the repeat with this number, from 0."""
    return random.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2**repeats))  # noqa: S311


def seconds_to_wait(header: str | None) -> float | None:
    """What a Retry-After header asks for, from seconds or a date; `None` if it can't be read."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, date.timestamp() - time.time())


class RetryBudget:
    """How many repeats the calls of late have earned."""

    def __init__(self) -> None:
        self._lock = ForkLock()
        self._saved = SAVED_AT_START

    def earn(self) -> None:
        """Note a first attempt."""
        with self._lock:
            self._saved = min(MOST_SAVED, self._saved + EARNED_PER_CALL)

    def spend(self) -> bool:
        """Take one repeat; `False` when there is none."""
        with self._lock:
            if self._saved < 1:
                return False
            self._saved -= 1
            return True
