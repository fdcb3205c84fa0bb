"""How much one server takes in one request, learned from what it refused."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from qwen_rerank.scorers.remote.question import Question

KEPT_SECONDS = 60.0
"""How long a refusal is kept in mind; a server may have been busy, or changed."""


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
        """What to keep to; `None` while nothing is known."""
        if self._refused is None or time.monotonic() >= self._ends:
            return None
        return max(self._passed, (self._refused + 1) // 2)

    def refused(self, size: int) -> None:
        """Note that a request of this size was too large, while its halves were not."""
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


def least(limits: Iterable[int | None]) -> int | None:
    """The smallest limit that is known."""
    return min((limit for limit in limits if limit is not None), default=None)


def size_of(texts: Sequence[str]) -> int:
    """The bytes of some texts; what else a request holds is about the same each time."""
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)


def batches(
    question: Question, most_documents: int | None, most_bytes: int | None = None
) -> Iterator[Question]:
    """The question in parts that keep to both limits; a document is never cut for them."""
    batch: list[str] = []
    taken = own = size_of([question.query])
    for text in question.documents:
        size = size_of([text])
        too_many = len(batch) == most_documents
        too_large = most_bytes is not None and taken + size > most_bytes
        if batch and (too_many or too_large):
            yield replace(question, documents=batch)
            batch, taken = [], own
        batch.append(text)
        taken += size
    yield replace(question, documents=batch)
