"""The documents of one query between the caller and the scorer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from qwen_rerank.lexical.prefilter import Prefilter
from qwen_rerank.types import DocumentScore, RerankRequest, RerankResult, Scores


@dataclass(frozen=True)
class Candidates:
    """Which documents are scored, and how their scores become a ranking.

    Args:
        given: The query with all documents, in the caller's order.
        prefilter: Chooses among very many documents; `None` keeps all.
    """

    given: RerankRequest
    prefilter: Prefilter | None = None

    @cached_property
    def request(self) -> RerankRequest:
        """What the scorer gets: each distinct text once."""
        documents = self.given.documents
        texts = list(dict.fromkeys(documents[place] for place in self._places))
        return RerankRequest(self.given.query, texts, self.given.instruction)

    def ranking(self, scores: Scores) -> list[RerankResult]:
        """Best first, ties in the caller's order; documents without a score stand below.

        Args:
            scores: Of `request`.
        """
        return sorted(self._results(scores), key=lambda r: 1.0 if r.score is None else -r.score)

    def original_order(self, reason: str) -> list[RerankResult]:
        """Every document, without a score, in the caller's order."""
        return [
            RerankResult(place, None, not_reranked=reason)
            for place in range(len(self.given.documents))
        ]

    def _results(self, scores: Scores) -> list[RerankResult]:
        """One for each document of the caller, in the caller's order."""
        found = dict(zip(self.request.documents, scores.documents, strict=True))
        left_out = DocumentScore(None, self.prefilter.reason if self.prefilter else None)
        scored = set(self._places)
        return [
            _result(place, found[text] if place in scored else left_out, scores.fallback)
            for place, text in enumerate(self.given.documents)
        ]

    @cached_property
    def _places(self) -> Sequence[int]:
        """Places of the documents to score, in the caller's order."""
        documents = self.given.documents
        if self.prefilter is None:
            return range(len(documents))
        return self.prefilter.keep(self.given.query, documents)


def above(ranking: list[RerankResult], threshold: float | None) -> list[RerankResult]:
    """The documents that reach the threshold. A ranking without any score stays as it is."""
    if threshold is None or all(result.score is None for result in ranking):
        return ranking
    return [r for r in ranking if r.score is not None and r.score >= threshold]


def _result(place: int, document: DocumentScore, fallback: str | None) -> RerankResult:
    return RerankResult(
        place,
        document.score,
        document.truncated,
        document.reason,
        fallback if document.score is not None else None,
    )
