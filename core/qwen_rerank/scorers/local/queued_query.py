"""A query that waits for its documents' log-odds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from qwen_rerank.call import Call
from qwen_rerank.errors import ScorerError
from qwen_rerank.scorers.local.encoder import EncodedQuery
from qwen_rerank.throughput import Work

DocumentOdds = float | ScorerError
"""The log-odds of "yes" for one document, or why there are none."""

QueryOdds = list[DocumentOdds] | ScorerError
"""Those of all documents of a query, or why there are none."""


@dataclass(eq=False, slots=True)
class QueuedQuery:
    """A query with its documents, and what is known of them so far."""

    encoded: EncodedQuery
    call: Call
    added: float = field(default_factory=lambda: time.monotonic())  # noqa: PLW0108 - the clock of tests moves
    odds: list[DocumentOdds] = field(default_factory=list)
    """Of the first documents, in the caller's order."""
    result: Future[QueryOdds] = field(default_factory=Future)
    """Of all documents."""
    alone: bool = False
    """Whether its next batch holds no other query, because a batch with several ones failed."""

    @property
    def waiting(self) -> Sequence[list[int]]:
        """The tokens of the documents that are not scored yet."""
        return self.encoded.documents[len(self.odds) :]

    @property
    def left(self) -> int:
        """How many documents are not scored yet."""
        return len(self.encoded.documents) - len(self.odds)

    @property
    def work(self) -> Work:
        """What is left to do for it."""
        tokens = sum(map(len, self.waiting))
        return Work(self.left, tokens + len(self.encoded.prefix)) if tokens else Work()

    def add(self, odds: Sequence[DocumentOdds]) -> None:
        """Note the odds of the next documents; the last ones complete the result."""
        self.odds += odds
        if not self.left and not self.result.done():
            self.result.set_result(self.odds)

    def fail(self, error: BaseException) -> None:
        """End with an error: one of the model is the result, any other is raised."""
        if self.result.done():
            return
        if isinstance(error, ScorerError):
            self.result.set_result(error)
        else:
            self.result.set_exception(error)
