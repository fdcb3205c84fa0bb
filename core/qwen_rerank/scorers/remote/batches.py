"""Splits a request into batches, and joins their scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

from qwen_rerank.scorers.remote.limits import size_of
from qwen_rerank.types import DocumentScore, RerankRequest, Scores


def batches(
    request: RerankRequest, max_documents: int | None, max_bytes: int | None = None
) -> Iterator[RerankRequest]:
    """The request in parts within both limits; a single document may exceed `max_bytes`."""
    batch: list[str] = []
    size = query_size = size_of(request.query)
    for document in request.documents:
        more = size_of(document)
        too_large = max_bytes is not None and size + more > max_bytes
        if batch and (len(batch) == max_documents or too_large):
            yield replace(request, documents=batch)
            batch, size = [], query_size
        batch.append(document)
        size += more
    yield replace(request, documents=batch)


def joined(parts: Iterable[Scores]) -> Scores:
    """The scores of several batches, in order."""
    many = list(parts)
    fallback = next((part.fallback for part in many if part.fallback), None)
    return Scores(tuple(chain.from_iterable(part.documents for part in many)), fallback)


def without_scores(request: RerankRequest, reason: str) -> Scores:
    """No score for any document of a batch, and why."""
    return Scores((DocumentScore(None, reason),) * len(request.documents))
