"""Splits a request into the batches that a server takes, and joins their scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from qwen_rerank.errors import RemoteRejectedError
from qwen_rerank.scorers.remote.limits import RequestLimits, size_of
from qwen_rerank.scorers.remote.question import Question
from qwen_rerank.scorers.remote.rejection import Rejection
from qwen_rerank.types import Scores

Send = Callable[[Question], "list[float] | Rejection"]
"""Sends one batch to one server."""


def batches(
    question: Question, max_documents: int | None, max_bytes: int | None = None
) -> Iterator[Question]:
    """The request in parts within both limits; a single document may exceed `max_bytes`."""
    batch: list[str] = []
    size = query_size = size_of(question.query)
    for document in question.documents:
        more = size_of(document)
        too_large = max_bytes is not None and size + more > max_bytes
        if batch and (len(batch) == max_documents or too_large):
            yield replace(question, documents=batch)
            batch, size = [], query_size
        batch.append(document)
        size += more
    yield replace(question, documents=batch)


def score_in_halves(send: Send, question: Question, limits: RequestLimits) -> Scores:
    """Send a batch; one that is too large is halved until the server takes its parts.

    Its size becomes a limit only once both halves went through: else one long document may
    be what the server refused.

    Raises:
        RemoteRejectedError: The server refuses a single document, or not for the size.
    """
    outcome = send(question)
    if not isinstance(outcome, Rejection):
        limits.passed(question)
        return Scores.of(outcome)
    count = len(question.documents)
    if outcome.cause == "other":
        raise outcome.error
    if count == 1:
        message = f"a single document is too large: {outcome.error}"
        raise RemoteRejectedError(message, status=413, of_request=True)
    halves = batches(question, (count + 1) // 2)
    scores = joined(score_in_halves(send, half, limits) for half in halves)
    limits.refused(question, outcome.cause)
    return scores


def joined(parts: Iterable[Scores]) -> Scores:
    """The scores of several batches, in order."""
    scores: list[float] = []
    truncated: set[int] = set()
    fallback = None
    for part in parts:
        truncated |= {len(scores) + place for place in part.truncated}
        scores += part
        fallback = fallback or part.fallback
    return Scores(scores, truncated=truncated, fallback=fallback)
