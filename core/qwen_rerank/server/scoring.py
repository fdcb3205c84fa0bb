"""Asks a scorer several questions at once."""

from __future__ import annotations

from collections.abc import Sequence

from qwen_rerank.server.job import Question
from qwen_rerank.types import BatchScorer, RerankRequest, Scores

Outcome = Scores | Exception


def outcomes(scorer: BatchScorer, questions: Sequence[Question]) -> list[Outcome]:
    """The scores of each question, or what went wrong with it, in their order.

    A question that fails, such as a query that is too long for the model, does not spoil
    the answers to others: after a common failure each is asked alone.
    """
    requests = [RerankRequest(q.query, q.documents, q.instruction) for q in questions]
    try:
        return list(scorer.score_batch(requests))
    except Exception:  # whatever one question met, the others are not to meet it
        return [_alone(scorer, request) for request in requests]


def _alone(scorer: BatchScorer, request: RerankRequest) -> Outcome:
    try:
        [outcome] = scorer.score_batch([request])
    except Exception as error:  # handed to the one who asked
        return error
    return outcome
