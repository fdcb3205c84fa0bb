"""The contract: what a scorer gets, what it gives back, and what a caller sees."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from qwen_rerank._validation import checked_documents, checked_sentence
from qwen_rerank.errors import ConfigError, ScorerError


@runtime_checkable
class Scorer(Protocol):
    """What a user may write: one method that scores documents against a query.

    Several threads may call it at the same time: async calls and the server do.
    """

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
            ScorerError: There are no scores; its subclasses say why.
        """
        ...


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """One query with its documents. The texts are checked when the request is made.

    A lone surrogate, which UTF-8 can't hold, becomes U+FFFD.

    Raises:
        InvalidInputError: A value is not a text, or the query or the instruction is blank.
    """

    query: str
    documents: Sequence[str]
    instruction: str | None = None
    """The task in one English sentence; `None` means the model's default."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "query", checked_sentence("query", self.query))
        object.__setattr__(self, "documents", checked_documents(self.documents))
        if self.instruction is not None:
            checked = checked_sentence("instruction", self.instruction)
            object.__setattr__(self, "instruction", checked)


@dataclass(frozen=True, slots=True)
class DocumentScore:
    """The score of one document, or the reason why it has none."""

    score: float | None
    """P("yes") in [0, 1]."""
    reason: str | None = None
    """Why there is no score; `None` exactly when there is one."""
    truncated: bool = False
    """Whether the document's end was cut to fit into the model's `max_length`."""
    tokens: int | None = None
    """How many tokens the document's whole prompt has; `None` if the scorer does not tell."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What a scorer gives for one request."""

    documents: tuple[DocumentScore, ...] = ()
    """One for each document of the request, in its order."""
    fallback: str | None = None
    """Why another model than the configured one gave these scores, if one did."""
    remembered: bool = False
    """Whether all scores came from a cache. Such scores say nothing about a server's health."""

    @property
    def tokens(self) -> int | None:
        """How many tokens the prompts of all documents have; `None` if one is not known."""
        known = [document.tokens for document in self.documents if document.tokens is not None]
        return sum(known) if len(known) == len(self.documents) else None

    @classmethod
    def of(cls, scores: Iterable[float]) -> Scores:
        """Plain scores, one for each document."""
        return cls(tuple(map(DocumentScore, scores)))


Outcome = Scores | ScorerError
"""The scores of one request, or the error that left it without any."""


class BatchScorer(ABC):
    """What the scorers of this package do: score many requests in one call."""

    __slots__ = ()

    @abstractmethod
    def score_batch(self, requests: Sequence[RerankRequest]) -> list[Outcome]:
        """Score each request.

        Returns:
            One outcome for each request, in their order. An error concerns its request only.

        Raises:
            ModelLoadError: The model is missing or broken.
            InvalidInputError: The query of a request is too long for the model.
            ConfigError: A server can't do what the settings want.
            RefusedError: The call has a deadline that the scores would miss.
        """

    def fingerprint(self) -> str:
        """A text that differs where scores may differ: model, revision, number format, prompt.

        Raises:
            ModelLoadError: The model is missing or broken.
            ConfigError: The scorer has nothing to tell it from others, see `unique_repr`.
        """
        return unique_repr(self)

    def score(
        self, query: str, documents: Sequence[str], *, instruction: str | None = None
    ) -> list[float]:
        """P("yes") for each document, in the order of `documents`; see `Scorer.score`.

        Raises:
            InvalidInputError: An argument is not of the right type.
            ScorerError: There are no scores, or a document has none.
        """
        [outcome] = self.score_batch([RerankRequest(query, documents, instruction)])
        if isinstance(outcome, ScorerError):
            raise outcome
        return [_score_of(place, document) for place, document in enumerate(outcome.documents)]


def unique_repr(scorer: object) -> str:
    """The repr of a scorer, unless it is Python's own, which shows only an address.

    Raises:
        ConfigError: Another scorer may get the same address later.
    """
    if type(scorer).__repr__ is object.__repr__:
        raise ConfigError(
            f"{type(scorer).__name__} has no fingerprint() and no __repr__ of its own, so its "
            "scores can't be told from another scorer's: set CachedScorer's identity"
        )
    return repr(scorer)


def _score_of(place: int, document: DocumentScore) -> float:
    if document.score is None:
        raise ScorerError(f"documents[{place}] has no score: {document.reason}")
    return document.score


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
    """Why the document has no score; `None` when it has one."""
    fallback: str | None = None
    """Why another model than the configured one gave the score, if one did."""
