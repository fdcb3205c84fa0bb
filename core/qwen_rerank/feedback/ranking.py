"""Turns rankings and judgements into rows of the feedback file."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Collection, Sequence
from typing import Any

from qwen_rerank._validation import checked_text
from qwen_rerank.errors import InvalidInputError
from qwen_rerank.feedback.database import Row
from qwen_rerank.feedback.statistics import TOP
from qwen_rerank.types import RerankResult

MAX_RESULTS = 100
"""The most results of a ranking that are stored; the statistics need the first three."""

INSERT = (
    "INSERT INTO rerankings "
    "(id, time, seconds, documents, reranked, ranking, shown, query, texts) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
)


def ranking_row(
    query: str,
    documents: Sequence[str],
    results: Sequence[RerankResult] | None,
    *,
    texts: bool,
    seconds: float | None = None,
    rerank_id: str | None = None,
    top_n: int | None = None,
) -> Row:
    """The values of `INSERT`; see `FeedbackStore.record_ranking`."""
    return (
        str(uuid.uuid4()) if rerank_id is None else rerank_id,
        time.time(),
        seconds,
        len(documents),
        results is not None and not _kept_its_order(results),
        _order(documents, results),
        min(TOP, top_n or TOP),
        query if texts else None,
        _json(list(documents)) if texts else None,
    )


def check_id(rerank_id: str) -> None:
    """Raise InvalidInputError unless it is a text that is not empty and that UTF-8 can hold."""
    if not rerank_id or checked_text("rerank_id", rerank_id) != rerank_id:
        raise InvalidInputError(f"rerank_id must hold a text, got {rerank_id!r:.80}")


def check_adopted(adopted: bool) -> None:
    """Raise InvalidInputError unless it is a bool; the text "no" would count as true."""
    if not isinstance(adopted, bool):
        raise InvalidInputError(f"adopted must be true or false, got {adopted!r:.80}")


def check_relevant(relevant: Collection[int]) -> None:
    """Raise InvalidInputError unless it is a collection; an iterator can be read only once."""
    if isinstance(relevant, str | bytes) or not isinstance(relevant, Collection):
        raise InvalidInputError(f"relevant must be a list of indexes, got {relevant!r:.80}")


def judgement(row: Row, relevant: Collection[int] | None) -> Row:
    """The values of `relevant`, `hit` and `hit_before` for a ranking.

    `hit` says whether one of the first results was relevant, `hit_before` the same for the
    original order. Both look at the same number of documents, whatever a threshold left out.

    Args:
        row: The number of documents, the ranking as `ranking_row` stored it, and how many of
            the first results count.
        relevant: Indexes of the relevant documents; `None` says nothing about them.

    Raises:
        InvalidInputError: An index has no document.
    """
    if relevant is None:
        return None, None, None
    count, ranking, shown = row
    for index in relevant:
        if type(index) is not int or not 0 <= index < count:
            raise InvalidInputError(
                f"relevant must hold indexes from 0 to {count - 1}, got {index!r:.80}"
            )
    first, wanted = json.loads(ranking)[:shown], sorted(set(relevant))
    hit = any(index in first for index in wanted)
    return _json(wanted), hit, any(index < shown for index in wanted)


def _kept_its_order(results: Sequence[RerankResult]) -> bool:
    """Whether an outage kept the original order. An empty list means a strict threshold."""
    return bool(results) and all(one.score is None for one in results)


def _order(documents: Sequence[str], results: Sequence[RerankResult] | None) -> str:
    places = range(len(documents)) if results is None else [one.index for one in results]
    return _json(list(places[:MAX_RESULTS]))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
