"""Logs an outage once, however many calls fail during it."""

from __future__ import annotations

import logging
import threading

from qwen_rerank._threads import run_now_and_after_fork
from qwen_rerank.errors import RemoteRejectedError, ScorerError, ScorerUnavailableError

logger = logging.getLogger(__name__)


class OutageLog:
    """Logs when an outage begins and when it ends; counts the failed calls.

    Args:
        begins: The message at its begin; the error is added.
        ends: The message at its end, with `%d` for the number of failed calls.
    """

    def __init__(
        self,
        begins: str = "not reranked, the original order is kept",
        ends: str = "reranking again, after %d calls in original order",
    ) -> None:
        self._begins, self._ends = begins, ends
        self._calls = 0
        self.total = 0
        """Calls without scores, since the start."""
        run_now_and_after_fork(self._reset)

    def log(self, error: ScorerError) -> None:
        """Count a call without scores; the first of an outage is logged.

        The refusal of a single request is logged each time and begins no outage.
        """
        if isinstance(error, RemoteRejectedError) and error.of_request:
            self._refused(error)
            return
        with self._lock:
            self._calls += 1
            self.total += 1
            first = self._calls == 1
        if first:
            heals = isinstance(error, ScorerUnavailableError)
            level = logging.WARNING if heals else logging.ERROR
            logger.log(level, "%s: %s", self._begins, error)

    def _refused(self, error: RemoteRejectedError) -> None:
        with self._lock:
            self.total += 1
        logger.warning("%s: %s", self._begins, error)

    def ended(self) -> None:
        """Note that a call got scores; the end of an outage is logged."""
        if not self._calls:
            return
        with self._lock:
            calls, self._calls = self._calls, 0
        if calls:
            logger.warning(self._ends, calls)

    def _reset(self) -> None:
        """At the start, and in a forked child."""
        self._lock = threading.Lock()
