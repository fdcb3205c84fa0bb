"""Scorers for tests: yours and ours. They load nothing and behave as they are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from qwen_rerank.errors import ScorerError


@dataclass
class FakeScorer:
    """Scores by a function of query and document, and remembers what it was asked.

    Without a function, a document's score is the share of the query's words that it holds.
    """

    function: Callable[[str, str], float] | None = None
    error: ScorerError | None = None
    """Raised instead of an answer while it is set."""
    calls: list[tuple[str, list[str], str | None]] = field(default_factory=list)
    """Each call's query, documents and instruction."""

    def score(
        self, query: str, documents: Sequence[str], *, instruction: str | None = None
    ) -> list[float]:
        """See `Scorer.score`."""
        self.calls.append((query, list(documents), instruction))
        if self.error is not None:
            raise self.error
        function = self.function or word_overlap
        return [function(query, document) for document in documents]


def word_overlap(query: str, document: str) -> float:
    """The share of the query's distinct words that stand in the document."""
    wanted = set(query.lower().split())
    return len(wanted & set(document.lower().split())) / len(wanted)
