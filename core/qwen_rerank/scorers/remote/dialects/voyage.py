"""Voyage: `data[].{index, relevance_score}`."""

from __future__ import annotations

from typing import Any

from qwen_rerank.scorers.remote.dialects.common import build_without_documents
from qwen_rerank.scorers.remote.dialects.dialect import Dialect
from qwen_rerank.scorers.remote.response import member, scores_by_index
from qwen_rerank.types import RerankRequest, Scores


def build(model: str, request: RerankRequest, dialect: Dialect) -> dict[str, Any]:
    """The request's body; the service cuts what is too long for the model."""
    return {**build_without_documents(model, request, dialect), "truncation": True}


def read(reply: Any, count: int) -> Scores:
    """Scores from `data[].{index, relevance_score}`."""
    return scores_by_index(member(reply, "data"), count, "relevance_score")


VOYAGE = Dialect(
    "voyage",
    "/v1/rerank",
    build,
    read,
    max_documents=1000,
    takes_blanks=False,
    own_template=True,
)
