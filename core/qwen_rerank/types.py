"""The contract at the bottom: what a scorer does and what a caller gets back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from qwen_rerank.errors import ScorerError


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


Answer = Sequence[float] | ScorerError
"""One score per text, or why there are none."""

OnProgress = Callable[[int, int], None]
"""Told now and then how many documents are done, and how many there are in all."""


@runtime_checkable
class BulkScorer(Scorer, Protocol):
    """A scorer that is quicker with many queries in one call than with one after another."""

    def score_many(
        self,
        queries: Sequence[str],
        documents_per_query: Sequence[Sequence[str]],
        *,
        instruction: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> Sequence[Answer]:
        """What `score` gives for each query with its own documents, in the order of both.

        Where one query alone could not be scored, its ScorerError may stand in its place.

        Raises:
            ScorerError: No scores could be had for any of them.
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
        remembered: bool = False,
    ) -> None:
        super().__init__(scores)
        self.fallback = fallback
        """Why another model than the one that was meant gave these scores, if one did."""
        self.truncated = frozenset(truncated)
        """Places of the documents whose ends did not fit into `max_length`."""
        self.remembered = remembered
        """Whether all came from a cache, which says nothing about how the scorer is now."""

    @classmethod
    def of(cls, scores: Sequence[float]) -> Scores:
        """These scores, with what they know about themselves."""
        return scores if isinstance(scores, cls) else cls(scores)

    @property
    def news(self) -> bool:
        """Whether a scorer has just given them: the sign that it is well."""
        return bool(self) and not self.remembered


@dataclass(frozen=True, slots=True)
class RerankResult:
    """One document's place in a ranking."""

    index: int
    """The document's place in the caller's list, from 0."""
    score: float | None
    """P("yes") in [0, 1]; `None` exactly when the document was not scored."""
    truncated: bool = False
    """Whether the document's end was cut to fit into the model's `max_length`."""
    not_reranked: str | None = None
    """Why it has no score: an outage, or `max_candidates`; `None` when it was scored."""
    fallback: str | None = None
    """Why another model than the one that was meant gave the score, if one did."""
