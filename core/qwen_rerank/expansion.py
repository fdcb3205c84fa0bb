"""Several phrasings of one query: how they come, and how their rankings become one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from qwen_rerank.errors import InvalidInputError
from qwen_rerank.types import RerankResult

Merge = Literal["max", "rrf"]
QueryExpander = Callable[[str], Any]
"""Query -> further phrasings: an iterable of texts, or one text with a phrasing a line."""

RRF_RANKS = 60
"""The constant of Cormack, Clarke and Büttcher (SIGIR 2009)."""

_BULLET = re.compile(r"^\s*(?:[-*•]|\d+\s*[.)、:：])\s*")


def phrasings(query: str, answer: str | Iterable[str]) -> list[str]:
    """The query and what an expander made of it, each once, the query first.

    LLMs like to number their lines; bullets and numbers in front of them are dropped.

    Raises:
        InvalidInputError: The expander gave something else than texts.
    """
    if isinstance(answer, str):
        answer = [_BULLET.sub("", line) for line in answer.splitlines()]
    found = list(answer) if isinstance(answer, Iterable) else [answer]
    for text in found:
        if not isinstance(text, str):
            raise InvalidInputError(f"query_expander must give texts, got {type(text).__name__}")
    return list(dict.fromkeys([query, *(text for text in map(str.strip, found) if text)]))


def merge_rankings(rankings: Sequence[Sequence[RerankResult]], by: Merge) -> list[RerankResult]:
    """One ranking of the same documents from one for each phrasing; a lone one stays as it is.

    A document's score is its best P("yes") under any phrasing. `"max"` orders by it, `"rrf"`
    by the sum of 1 / (60 + rank). Documents without a score stand last, in their order.
    """
    best: dict[int, RerankResult] = {}
    fused: dict[int, float] = defaultdict(float)
    for ranking in _one_model(rankings):
        for rank, one in enumerate(ranking, start=1):
            best[one.index] = max(best.get(one.index, one), one, key=_score)
            fused[one.index] += 0 if one.score is None else 1 / (RRF_RANKS + rank)
    if by == "rrf":
        return sorted(best.values(), key=lambda one: (-fused[one.index], -_score(one), one.index))
    return sorted(best.values(), key=lambda one: (-_score(one), one.index))


def _one_model(rankings: Sequence[Sequence[RerankResult]]) -> Sequence[Sequence[RerankResult]]:
    """The rankings with scores; those of the model that was meant, where both have some."""
    scored = [ranking for ranking in rankings if ranking and ranking[0].score is not None]
    return [one for one in scored if one[0].fallback is None] or scored or rankings[:1]


def _score(result: RerankResult) -> float:
    return -1.0 if result.score is None else result.score
