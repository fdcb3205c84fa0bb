"""Asks a scorer several questions at once."""

from __future__ import annotations

from collections.abc import Sequence

from qwen_rerank.answers import typed
from qwen_rerank.errors import BadScoresError, ScorerError
from qwen_rerank.server.job import Question
from qwen_rerank.types import BulkScorer, Scorer, Scores

Outcome = Scores | Exception


def outcomes(scorer: Scorer, questions: Sequence[Question]) -> list[Outcome]:
    """The scores of each question, or what went wrong with it, in their order.

    A question that fails, such as a query that is too long for the model, does not spoil
    the answers to others: after a common failure each is asked alone. Failures of the
    scorer itself concern all.
    """
    found: dict[int, Outcome] = {}
    for instruction in dict.fromkeys(question.instruction for question in questions):
        same = [i for i, question in enumerate(questions) if question.instruction == instruction]
        answers = _together(scorer, [questions[i] for i in same])
        found.update(zip(same, answers, strict=True))
    return [_whole(found[i], question) for i, question in enumerate(questions)]


def _together(scorer: Scorer, questions: list[Question]) -> Sequence[Outcome]:
    if len(questions) == 1 or not isinstance(scorer, BulkScorer):
        return [_alone(scorer, question) for question in questions]
    queries = [question.query for question in questions]
    documents = [question.documents for question in questions]
    try:
        many = scorer.score_many(queries, documents, instruction=questions[0].instruction)
        return [typed(answer) for answer, _ in zip(many, questions, strict=True)]
    except ScorerError as error:
        return [error] * len(questions)
    except Exception:  # whatever one question met, the others are not to meet it
        return [_alone(scorer, question) for question in questions]


def _whole(outcome: Outcome, question: Question) -> Outcome:
    """Someone waits for each score: a wrong number of them must not go unnoticed."""
    wanted = len(question.documents)
    if isinstance(outcome, Exception) or len(outcome) == wanted:
        return outcome
    return BadScoresError(f"wanted {wanted} scores, one per document, got {len(outcome)}")


def _alone(scorer: Scorer, question: Question) -> Outcome:
    try:
        scores = scorer.score(question.query, question.documents, instruction=question.instruction)
    except Exception as error:  # handed to the one who asked
        return error
    return Scores.of(scores)
