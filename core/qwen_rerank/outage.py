"""Logs an outage once, however many calls it meets."""

from __future__ import annotations

import logging
import threading

from qwen_rerank.errors import ScorerError, ScorerUnavailableError

logger = logging.getLogger(__name__)


class OutageLog:
    """Says when the reranker falls silent and when it is back; counts the calls between."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls = 0

    def log(self, error: ScorerError) -> None:
        """Note one call without scores; the first of an outage is logged."""
        with self._lock:
            self._calls += 1
            first = self._calls == 1
        if first:
            heals = isinstance(error, ScorerUnavailableError)
            level = logging.WARNING if heals else logging.ERROR
            logger.log(level, "not reranked, the original order is kept: %s", error)

    def ended(self) -> None:
        """Note a call with scores; the end of an outage is logged."""
        if not self._calls:
            return
        with self._lock:
            calls, self._calls = self._calls, 0
        if calls:
            logger.warning("reranking again, after %d calls in original order", calls)
