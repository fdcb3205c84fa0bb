"""Measures how fast the model is, to tell which calls can end before their deadline."""

from __future__ import annotations

import math
import time

from qwen_rerank.errors import OverloadedError, RequestTooLargeError
from qwen_rerank.scorers.local.scheduler import QueuedQuery, Scheduler

MEMORY = 0.9
"""How much of the earlier measurements counts after each batch."""
BATCH_TOKENS = 50
"""What a batch costs besides its own tokens."""
SHARE_OF_DEADLINE = 1 / 3
"""How much of its time a call may spend by estimate, the queue before it included. The
scheduler may take twice the estimate; the last third is for estimates that were too low."""


class Throughput:
    """Tokens per second, from the latest batches. Not thread-safe."""

    def __init__(self) -> None:
        self._tokens = 0.0
        self._seconds = 0.0

    def learn(self, tokens: int, seconds: float) -> None:
        """Note one batch."""
        self._tokens = self._tokens * MEMORY + tokens + BATCH_TOKENS
        self._seconds = self._seconds * MEMORY + seconds

    def seconds(self, tokens: int) -> float:
        """How long so many tokens take; 0 as long as nothing was measured."""
        return tokens * self._seconds / self._tokens if self._tokens else 0.0

    def check(self, query: QueuedQuery, scheduler: Scheduler) -> None:
        """Refuse a query that would come too late for the deadline of its call.

        Raises:
            RequestTooLargeError: The query alone takes longer than its call has.
            OverloadedError: The queue before it is too long.
        """
        left = max(0.0, (query.call.ends or math.inf) - time.monotonic())
        count = len(query.waiting)
        own = self.seconds(len(query.encoded.prefix) + sum(map(len, query.waiting)))
        if own > left:
            raise RequestTooLargeError(
                f"{count} documents of this length take about {own:.0f} seconds here, and "
                f"{left:.0f} are left: send fewer at once"
            )
        before = self.seconds(scheduler.tokens)
        if before and before + own > left * SHARE_OF_DEADLINE:
            raise OverloadedError(
                f"{scheduler.documents} documents wait; {count} more would be scored too late",
                retry_after=min(60, max(1, math.ceil(before))),
            )
