"""Looks at what a scorer hands back, before anyone ranks or remembers it."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real

from qwen_rerank.errors import BadScoresError, ScorerError
from qwen_rerank.types import Answer, Scores


def typed(answer: Answer) -> Scores | ScorerError:
    """An answer whose scores know about themselves, or the failure that it is."""
    return answer if isinstance(answer, ScorerError) else Scores.of(answer)


def only_scores(answers: Sequence[Answer]) -> Scores:
    """The scores of a bulk call for one query; raises the failure that stands in their place."""
    [answer] = map(typed, answers)
    if isinstance(answer, ScorerError):
        raise answer
    return answer


def check_scores(scores: Sequence[float], documents: Sequence[str]) -> None:
    """Raise BadScoresError unless it is one score in [0, 1] per document."""
    if not isinstance(scores, Sequence) or isinstance(scores, str | bytes):
        raise BadScoresError(f"wanted a list of scores, got {type(scores).__name__}")
    if len(scores) != len(documents):
        raise BadScoresError(f"wanted {len(documents)} scores, one per document, got {len(scores)}")
    for score, document in zip(scores, documents, strict=True):
        if not _is_score(score):
            raise BadScoresError(f"wanted scores in [0, 1], got {score!r} for {document[:40]!r}")


def _is_score(score: object) -> bool:
    return isinstance(score, Real) and not isinstance(score, bool) and bool(0 <= score <= 1)  # type: ignore[operator]
