"""The outcome of one request, for tests that look beyond the plain scores."""

from __future__ import annotations

from collections.abc import Sequence

from qwen_rerank import ScorerError
from qwen_rerank.types import BatchScorer, Outcome, RerankRequest, Scores


def outcome_of(scorer: BatchScorer, query: str, documents: Sequence[str]) -> Outcome:
    [outcome] = scorer.score_batch([RerankRequest(query, documents)])
    return outcome


def scores_of(scorer: BatchScorer, query: str, documents: Sequence[str]) -> Scores:
    """The scores; raises the error that stands in their place."""
    outcome = outcome_of(scorer, query, documents)
    if isinstance(outcome, ScorerError):
        raise outcome
    return outcome


def values(scores: Scores) -> list[float | None]:
    return [document.score for document in scores.documents]


def cut(scores: Scores) -> set[int]:
    """The places of the documents whose ends were cut."""
    return {place for place, document in enumerate(scores.documents) if document.truncated}
