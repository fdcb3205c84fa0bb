"""How much one server takes in one request, learned from its refusals."""

from __future__ import annotations

import time
from collections.abc import Iterable

from qwen_rerank.scorers.remote.question import Question
from qwen_rerank.scorers.remote.rejection import Cause

KEPT_SECONDS = 60.0
"""How long a refusal is remembered; the server may have been busy, or change."""


class LearnedLimit:
    """The largest size that is known to pass, or half of the smallest that did not.

    What passes beyond the limit lifts it, and so does a minute without another refusal.
    """

    def __init__(self) -> None:
        self._refused: int | None = None
        self._passed = 0
        self._ends = 0.0

    @property
    def most(self) -> int | None:
        """The limit; `None` while nothing is known."""
        if self._refused is None or time.monotonic() >= self._ends:
            return None
        return max(self._passed, (self._refused + 1) // 2)

    def refused(self, size: int) -> None:
        """Note that a request of this size was too large, and that its halves were not."""
        if self.most is None:
            self._refused, self._passed = None, 0
        self._refused = min(self._refused or size, size)
        self._ends = time.monotonic() + KEPT_SECONDS
        if self._passed >= size:
            self._passed = 0

    def passed(self, size: int) -> None:
        """Note that a request of this size went through."""
        if self._refused is not None and size >= self._refused:
            self._refused = None
        self._passed = max(self._passed, size)


class RequestLimits:
    """What one server takes in one request, as far as it is known."""

    def __init__(self) -> None:
        self._documents = LearnedLimit()
        self._bytes = LearnedLimit()

    @property
    def documents(self) -> int | None:
        """The most documents; `None` while nothing is known."""
        return self._documents.most

    @property
    def bytes(self) -> int | None:
        """The most bytes of query and documents together; `None` while nothing is known."""
        return self._bytes.most

    def passed(self, question: Question) -> None:
        """Note that a request went through."""
        self._documents.passed(len(question.documents))
        self._bytes.passed(size_of(question.query, *question.documents))

    def refused(self, question: Question, cause: Cause) -> None:
        """Note that a request was too large, and that its halves were not."""
        if cause == "count":
            self._documents.refused(len(question.documents))
        else:
            self._bytes.refused(size_of(question.query, *question.documents))


def smallest(limits: Iterable[int | None]) -> int | None:
    """The smallest limit that is known."""
    return min((limit for limit in limits if limit is not None), default=None)


def size_of(*texts: str) -> int:
    """The bytes of some texts; the rest of a request is about the same each time."""
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
