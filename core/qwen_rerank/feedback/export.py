"""Turns feedback into an evaluation dataset."""

from __future__ import annotations

import json
from dataclasses import dataclass

from qwen_rerank.errors import InvalidInputError
from qwen_rerank.feedback.store import FeedbackStore


@dataclass(frozen=True, slots=True)
class Export:
    """What could be exported, and how much could not."""

    lines: list[str]
    """JSON objects of id, query, documents and relevant places, for `qwen-rerank eval`."""
    without_texts: int
    """Judged rankings whose query and documents were not kept."""


def export(store: FeedbackStore) -> Export:
    """Every judged ranking with its texts, oldest first.

    Raises:
        InvalidInputError: There is none; the message says what is missing.
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
        return "of no ranking it is known which documents were relevant"
    return (
        f"{judged} rankings are judged, but their queries and documents were not kept; "
        "serve with --feedback-texts, or make FeedbackStore(..., texts=True)"
    )
