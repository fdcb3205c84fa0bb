"""Turns feedback into an evaluation dataset."""

from __future__ import annotations

import json
from dataclasses import dataclass

from qwen_rerank.errors import InvalidInputError
from qwen_rerank.feedback.store import FeedbackStore


@dataclass(frozen=True, slots=True)
class Export:
    """The exported lines, and how many rankings could not be exported."""

    lines: list[str]
    """JSON objects of id, query, documents and relevant indexes, for `qwen-rerank eval`."""
    without_texts: int
    """Judged rankings whose query and documents were not stored."""


def export(store: FeedbackStore) -> Export:
    """Export every judged ranking that has its texts, oldest first.

    Raises:
        InvalidInputError: No ranking can be exported; the message says what is missing.
        FeedbackError: The file can't be read.
    """
    judged = store.judged()
    lines = [
        json.dumps(
            {
                "id": one.id,
                "query": one.query,
                "documents": one.documents,
                "relevant": one.relevant,
            },
            ensure_ascii=False,
        )
        for one in judged
        if one.documents is not None
    ]
    if not lines:
        raise InvalidInputError(f"{store.path}: nothing to export: {_missing(len(judged))}")
    return Export(lines, len(judged) - len(lines))


def _missing(judged: int) -> str:
    if not judged:
        return "no ranking has feedback that names its relevant documents"
    return (
        f"{judged} rankings are judged, but their queries and documents were not stored; "
        "use `serve --feedback-texts`, or FeedbackStore(..., texts=True)"
    )
