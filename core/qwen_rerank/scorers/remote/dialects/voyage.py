"""Voyage: `data[].{index, relevance_score}`."""

from __future__ import annotations

from typing import Any

from qwen_rerank.scorers.remote.dialects.common import build_without_documents
from qwen_rerank.scorers.remote.dialects.dialect import Dialect
from qwen_rerank.scorers.remote.response import member, scores_by_index
from qwen_rerank.types import Scores


def read(reply: Any, count: int) -> Scores:
    """Scores from `data[].{index, relevance_score}`."""
    return Scores.of(scores_by_index(member(reply, "data"), count, "relevance_score"))


VOYAGE = Dialect(
    "voyage",
    "/v1/rerank",
    build_without_documents,
    read,
    max_documents=1000,
    takes_blanks=False,
    own_template=True,
)
