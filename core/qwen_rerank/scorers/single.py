"""Wraps a scorer that a user wrote, so that it takes requests in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

from qwen_rerank.errors import BadScoresError, ModelLoadError, ScorerError
from qwen_rerank.image import with_images, without_images
from qwen_rerank.types import BatchScorer, Outcome, RerankRequest, Scorer, Scores, unique_repr


def as_batch_scorer(scorer: Scorer) -> BatchScorer:
    """The scorer itself if it takes batches, else a wrapper that calls it once a request."""
    return scorer if isinstance(scorer, BatchScorer) else SingleScorer(scorer)


@dataclass(frozen=True, slots=True)
class SingleScorer(BatchScorer):
    """Calls a user's scorer once for each request, and checks what comes back.

    Args:
        scorer: Has the one method of `Scorer`.
    """

    scorer: Scorer

    def score_batch(self, requests: Sequence[RerankRequest]) -> list[Outcome]:
        """See `BatchScorer.score_batch`."""
        return [
            with_images(request.documents, self._outcome(without_images(request)))
            for request in requests
        ]

    def _outcome(self, request: RerankRequest) -> Outcome:
        if not request.documents:
            return Scores()
        documents = list(request.documents)
        try:
            scores = self.scorer.score(request.query, documents, instruction=request.instruction)
            check_scores(scores, documents)
        except ModelLoadError:
            raise
        except ScorerError as error:
            return error
        return Scores.of(map(float, scores))

    def fingerprint(self) -> str:
        """What the user's scorer's own `fingerprint()` returns; without one, its repr."""
        own = getattr(self.scorer, "fingerprint", None)
        return unique_repr(self.scorer) if own is None else str(own())


def check_scores(scores: object, documents: Sequence[str]) -> None:
    """Raise BadScoresError unless there is one score in [0, 1] for each document."""
    if not isinstance(scores, Sequence) or isinstance(scores, str | bytes):
        raise BadScoresError(f"wanted a list of scores, got {type(scores).__name__}")
    if len(scores) != len(documents):
        raise BadScoresError(f"wanted {len(documents)} scores, one per document, got {len(scores)}")
    for score, document in zip(scores, documents, strict=True):
        if not _is_score(score):
            raise BadScoresError(f"wanted scores in [0, 1], got {score!r} for {document[:40]!r}")


def _is_score(score: object) -> bool:
    return isinstance(score, Real) and not isinstance(score, bool) and bool(0 <= score <= 1)  # type: ignore[operator]
