"""Reads scores out of a reply, and checks everything in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from qwen_rerank.errors import BadScoresError
from qwen_rerank.types import DocumentScore, Scores

ROUNDING = 1e-6
"""How far a score may lie outside [0, 1]: servers compute in fp32."""


def parse(body: bytes) -> Any:
    """The JSON value of a reply's body.

    Raises:
        BadScoresError: It is no JSON, is nested without end, or holds NaN or Infinity.
    """
    try:
        return json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    raise BadScoresError(f"wanted JSON with scores, got {excerpt(body)}: {reason[:200]}")


def scores_by_index(items: Any, count: int, score_name: str) -> Scores:
    """Scores in the order of the documents, from items of any order.

    A document whose score is null has none, and says so.

    Args:
        items: What should be a list of objects with `index` and a score.
        count: How many documents were sent.
        score_name: What an item calls its score.

    Raises:
        BadScoresError: Not every document has exactly one score in [0, 1] or null, or all
            are null.
    """
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadScoresError(f"wanted a list of {count} scored items, got {excerpt(items)}")
    scores: dict[int, DocumentScore] = {}
    for item in items:
        index = _checked_index(item.get("index"), count)
        if index in scores:
            raise BadScoresError(f"document {index} came back twice")
        scores[index] = _checked_score(item.get(score_name), index)
    if len(scores) != count:
        missing = next(index for index in range(count) if index not in scores)
        raise BadScoresError(f"wanted {count} scores, got {len(scores)}: no document {missing}")
    return _checked_scores(scores[index] for index in range(count))


def scores_by_place(values: Any, count: int) -> Scores:
    """Scores that came as plain numbers, or null, in the order of the documents.

    Raises:
        BadScoresError: They are not one score in [0, 1] or null per document, or all null.
    """
    if not isinstance(values, list) or len(values) != count:
        raise BadScoresError(f"wanted a list of {count} scores, got {excerpt(values)}")
    return _checked_scores(_checked_score(value, index) for index, value in enumerate(values))


def reader(*names: str, score_name: str = "relevance_score") -> Callable[[Any, int], Scores]:
    """A function that reads scores from the items under these names, one inside the other."""
    return lambda reply, count: scores_by_index(member(reply, *names), count, score_name)


def member(reply: Any, *names: str) -> Any:
    """What stands under these names, one inside the other.

    Raises:
        BadScoresError: There is no such thing; the message shows what came.
    """
    value = reply
    for name in names:
        if not isinstance(value, dict) or name not in value:
            raise BadScoresError(f"wanted {'.'.join(names)!r}, got {excerpt(reply)}")
        value = value[name]
    return value


def excerpt(value: Any) -> str:
    """The start of what came, for a message."""
    if isinstance(value, bytes):
        text = value[:200].decode("utf-8", "replace")
    else:
        try:
            text = json.dumps(value, ensure_ascii=False)
        except (ValueError, RecursionError):
            text = type(value).__name__
    text = " ".join(text.split())
    return f"{text[:160]!r}" if text else "nothing"


def _checked_index(index: Any, count: int) -> int:
    if type(index) is not int or not 0 <= index < count:  # a bool is an int to isinstance
        raise BadScoresError(f"wanted an index from 0 to {count - 1}, got {excerpt(index)}")
    return index


def _checked_scores(scores: Iterable[DocumentScore]) -> Scores:
    documents = tuple(scores)
    if documents and all(document.score is None for document in documents):
        raise BadScoresError("wanted scores, got null for every document")
    return Scores(documents)


def _checked_score(score: Any, index: int) -> DocumentScore:
    if score is None:
        return DocumentScore(None, "the server gave null as its score")
    if type(score) is int:  # which may be too large to become a float
        score = float(min(2, max(-1, score)))
    if type(score) is not float:
        raise BadScoresError(f"wanted a number as score of document {index}, got {excerpt(score)}")
    if not -ROUNDING <= score <= 1 + ROUNDING:
        raise BadScoresError(
            f"wanted scores in [0, 1], got {score!r} for document {index}: does the server send "
            "raw logits? It must apply the sigmoid"
        )
    return DocumentScore(min(1.0, max(0.0, float(score))))


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no score")
