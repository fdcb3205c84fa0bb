"""The contract at the bottom: what a scorer does and what a caller gets back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@runtime_checkable
class Scorer(Protocol):
    """Anything that can say how relevant documents are to a query."""

    def score(
        self, query: str, documents: Sequence[str], *, instruction: str | None = None
    ) -> list[float]:
        """Score each document against the query.

        Args:
            query: What is searched for, not blank.
            documents: The candidates; may be empty, may hold equal texts.
            instruction: The task in one English sentence; `None` means the model's default.

        Returns:
            P("yes") for each document, in [0, 1], in the order of `documents`.

        Raises:
            ScorerError: No scores could be had; see its subclasses.
        """
        ...


class Scores(list[float]):
    """A list of scores that also knows how they came about.

    A scorer that has nothing to add may return a plain list.
    """

    def __init__(
        self,
        scores: Iterable[float],
        *,
        truncated: Iterable[int] = (),
        fallback: str | None = None,
    ) -> None:
        super().__init__(scores)
        self.fallback = fallback
        """Why another model than the one that was meant gave these scores, if one did."""
        self.truncated = frozenset(truncated)
        """Places of the documents whose ends did not fit into `max_length`."""


@dataclass(frozen=True, slots=True)
class RerankResult:
    """One document's place in a ranking."""

    index: int
    """The document's place in the caller's list, from 0."""
    score: float | None
    """P("yes") in [0, 1]; `None` exactly when nothing could be reranked."""
    truncated: bool = False
    """Whether the document's end was cut to fit into the model's `max_length`."""
    not_reranked: str | None = None
    """Why the original order was kept; `None` when the document was scored."""
    fallback: str | None = None
    """Why another model than the one that was meant gave the score, if one did."""
