"""Stops calls to a server that keeps failing, then lets a single call try it."""

from __future__ import annotations

import time

from qwen_rerank.fork_lock import ForkLock

FAILURES = 5
"""In a row, until the breaker opens."""
REST_SECONDS = 10.0
"""How long it stays open."""


class CircuitBreaker:
    """Closed while calls succeed, open after failures, half open for one probe at a time."""

    def __init__(self) -> None:
        self._lock = ForkLock(self._forget_probe)
        self._failures = 0
        self._open_until: float | None = None
        self._probing = False

    def admit(self) -> bool:
        """Whether a call may go out now. A `True` must be followed by one of the reports."""
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
        """Report that the server answered as it should; whether it closed the breaker."""
        with self._lock:
            was_open = self._open_until is not None
            self._failures, self._open_until, self._probing = 0, None, False
            return was_open

    def failed(self, *, at_once: bool = False) -> bool:
        """Report a failure; whether it opened the breaker.

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

    def _forget_probe(self) -> None:
        """In a forked child, which does not have the thread that would report."""
        self._probing = False
