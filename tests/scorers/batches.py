"""A batch scorer for tests, and short ways to call one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from qwen_rerank import BatchScorer, CachedScorer, DocumentScore, RerankRequest, Scores
from qwen_rerank.errors import ScorerError
from qwen_rerank.scorers.single import SingleScorer
from qwen_rerank.testing import FakeScorer
from qwen_rerank.types import Outcome

Documents = Sequence[Sequence[str]]


@dataclass
class Batches(BatchScorer):
    """Scores each request as a fake scorer does, and keeps the batches."""

    fake: FakeScorer = field(default_factory=FakeScorer)
    batches: list[list[tuple[str, list[str]]]] = field(default_factory=list)

    def score_batch(self, requests: Sequence[RerankRequest]) -> list[Outcome]:
        self.batches.append([(r.query, list(r.documents)) for r in requests])
        return SingleScorer(self.fake).score_batch(requests)


class Partly(BatchScorer):
    """Gives no score to documents that hold "bad", and cuts documents that hold "long"."""

    def __repr__(self) -> str:
        return "Partly()"

    def score_batch(self, requests: Sequence[RerankRequest]) -> list[Outcome]:
        return [Scores(tuple(map(self._score, request.documents))) for request in requests]

    def _score(self, text: str) -> DocumentScore:
        if "bad" in text:
            return DocumentScore(None, "it is bad")
        return DocumentScore(0.5, truncated="long" in text)


def cached(scorer: Any, identity: str = "fake", **options: Any) -> CachedScorer:
    """A cache above a scorer that has no fingerprint that lasts."""
    return CachedScorer(scorer, identity=identity, **options)


def outcome_of(scorer: BatchScorer, query: str, documents: Sequence[str]) -> Scores:
    """The scores of one request, with all that is said about them."""
    [outcome] = scorer.score_batch([RerankRequest(query, documents)])
    assert isinstance(outcome, Scores)
    return outcome


def plain(outcomes: Sequence[Outcome]) -> list[list[float | None] | ScorerError]:
    """The scores of each request as a list, or its error."""
    return [
        outcome if isinstance(outcome, ScorerError) else [d.score for d in outcome.documents]
        for outcome in outcomes
    ]


def requests(queries: Sequence[str], documents: Documents) -> list[RerankRequest]:
    """A request for each query."""
    return [RerankRequest(q, d) for q, d in zip(queries, documents, strict=True)]
