"""Measures how fast a model is, to tell which requests can end before their deadline."""

from __future__ import annotations

import math
from dataclasses import dataclass

from qwen_rerank.errors import OverloadedError, RequestTooLargeError

DECAY = 0.9
"""How much of the earlier measurements counts after each batch."""
OVERHEAD_TOKENS = 50
"""What a batch costs besides its own tokens."""
SHARE_OF_DEADLINE = 1 / 3
"""A request is refused if the queue and the request are estimated above this share of its time.
The scheduler may take twice the estimate; the last third is for estimates that were too low."""


@dataclass(frozen=True, slots=True)
class Work:
    """The size of one request, or of several."""

    documents: int = 0
    tokens: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(self.documents + other.documents, self.tokens + other.tokens)


class Throughput:
    """Tokens per second, from the latest batches. Not thread-safe."""

    def __init__(self) -> None:
        self._tokens = 0.0
        self._seconds = 0.0
        self._is_cold = True

    def learn(self, tokens: int, seconds: float) -> None:
        """Note one batch; the first one, in which a model warms up, does not count."""
        if self._is_cold:
            self._is_cold = False
            return
        self._tokens = self._tokens * DECAY + tokens + OVERHEAD_TOKENS
        self._seconds = self._seconds * DECAY + seconds

    def seconds(self, tokens: int) -> float:
        """How long so many tokens take; 0 as long as nothing was measured."""
        return tokens * self._seconds / self._tokens if self._tokens else 0.0

    def check(self, request: Work, queue: Work, *, limit: float, left: float) -> None:
        """Refuse a request that would come too late.

        Args:
            request: What it asks for.
            queue: What waits before it.
            limit: Seconds that a request may take in all.
            left: Seconds of them that are left.

        Raises:
            RequestTooLargeError: The request alone takes longer than the limit.
            OverloadedError: The queue is too long for it.
        """
        own, before = self.seconds(request.tokens), self.seconds(queue.tokens)
        if own > limit:
            raise RequestTooLargeError(
                f"{request.documents} documents of this length take about {own:.0f} seconds "
                f"here, and {limit:.0f} is the limit: send fewer at once"
            )
        if own > left or (before and before + own > left * SHARE_OF_DEADLINE):
            raise OverloadedError(
                f"{queue.documents} documents wait; {request.documents} more would be scored "
                "too late",
                retry_after=min(60, max(1, math.ceil(before))),
            )
