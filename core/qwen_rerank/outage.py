"""Logs an outage once, however many calls it meets."""

from __future__ import annotations

import logging

from qwen_rerank.errors import RemoteRejectedError, ScorerError, ScorerUnavailableError
from qwen_rerank.fork_lock import ForkLock

logger = logging.getLogger(__name__)


class OutageLog:
    """Says when an outage begins and when it is over; counts the calls between.

    Args:
        begins: What happens while it lasts.
        ends: What happens again after it; holds `%d` for the number of calls between.
    """

    def __init__(
        self,
        begins: str = "not reranked, the original order is kept",
        ends: str = "reranking again, after %d calls in original order",
    ) -> None:
        self._begins, self._ends = begins, ends
        self._lock = ForkLock()
        self._calls = 0
        self.total = 0
        """Calls that met an outage or were refused, since the start."""

    def log(self, error: ScorerError) -> None:
        """Note one call without scores; the first of an outage is logged.

        A refusal of one request is logged alone: the next call may well have scores.
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
        """Note a call with scores; the end of an outage is logged."""
        if not self._calls:
            return
        with self._lock:
            calls, self._calls = self._calls, 0
        if calls:
            logger.warning(self._ends, calls)
