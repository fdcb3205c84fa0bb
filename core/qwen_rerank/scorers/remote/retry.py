"""When to send a request again, and how long to wait before."""

from __future__ import annotations

import random
import threading

from urllib3 import Retry
from urllib3.exceptions import InvalidHeader

from qwen_rerank._threads import run_now_and_after_fork

FIRST_WAIT = 0.2
LONGEST_WAIT = 8.0
"""Seconds; a wait is drawn between 0 and `FIRST_WAIT * 2**n`, which spreads callers out."""
EARNED_PER_CALL = 0.1
MOST_SAVED = 10.0
SAVED_AT_START = 3.0
"""In repeats: a tenth of the calls may be repeated, so that a server in trouble gets little
more load than before."""


def jittered_wait(repeats: int) -> float:
    """Seconds to wait before the repeat with this number, from 0."""
    return random.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2**repeats))  # noqa: S311


def retry_after_seconds(header: str | None) -> float | None:
    """The seconds of a Retry-After header, from a number or a date; `None` if it has neither."""
    try:
        return Retry().parse_retry_after(header or "")
    except (InvalidHeader, ValueError, OverflowError):  # numbers and years without end
        return None


class RetryBudget:
    """How many repeats recent calls have earned. Thread-safe."""

    def __init__(self) -> None:
        run_now_and_after_fork(self._reset)
        self._saved = SAVED_AT_START

    def _reset(self) -> None:
        self._lock = threading.Lock()

    def earn(self) -> None:
        """Count a first attempt."""
        with self._lock:
            self._saved = min(MOST_SAVED, self._saved + EARNED_PER_CALL)

    def spend(self) -> bool:
        """Take one repeat; `False` when there is none."""
        with self._lock:
            if self._saved < 1:
                return False
            self._saved -= 1
            return True
