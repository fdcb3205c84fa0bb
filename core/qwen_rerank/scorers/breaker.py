"""Sends nothing to a failing server for some seconds, then tries it with a single call."""

from __future__ import annotations

import threading
import time

from qwen_rerank._threads import run_now_and_after_fork

FAILURES = 5
"""Failures in a row that open the breaker."""
REST_SECONDS = 10.0
"""How long an open breaker admits no call."""


class CircuitBreaker:
    """Closed while calls succeed, open after failures, half open for one probe at a time."""

    def __init__(self) -> None:
        self._failures = 0
        self._open_until: float | None = None
        self._probing = False
        run_now_and_after_fork(self._reset)

    def admit(self) -> bool:
        """Whether a call may go out now. After `True` the caller must report how it ended."""
        with self._lock:
            if self._open_until is None:
                return True
            if self._probing or time.monotonic() < self._open_until:
                return False
            self._probing = True
            return True

    @property
    def closed(self) -> bool:
        """Whether any call may go out."""
        return self._open_until is None

    def seconds_open(self) -> float:
        """Seconds until the next probe, 0 when calls may go out."""
        until = self._open_until
        return 0.0 if until is None else max(0.0, until - time.monotonic())

    def succeeded(self) -> bool:
        """Report a success. Returns whether it closed the breaker."""
        with self._lock:
            was_open = self._open_until is not None
            self._failures, self._open_until, self._probing = 0, None, False
            return was_open

    def failed(self, *, at_once: bool = False) -> bool:
        """Report a failure. Returns whether it opened the breaker.

        Args:
            at_once: Open without waiting for more failures.
        """
        with self._lock:
            self._failures += 1
            was_open = self._open_until is not None
            if self._probing or at_once or self._failures >= FAILURES:
                self._open_until = time.monotonic() + REST_SECONDS
            self._probing = False
            return not was_open and self._open_until is not None

    def abandoned(self) -> None:
        """Report that the call ended and says nothing about the server."""
        with self._lock:
            self._probing = False

    def _reset(self) -> None:
        """At the start, and in a forked child, which lacks the thread that would report."""
        self._lock = threading.Lock()
        self._probing = False
