"""Voyage: `data[].{index, relevance_score}`."""

from __future__ import annotations

from typing import Any

from qwen_rerank.scorers.remote.dialects.common import build_without_documents
from qwen_rerank.scorers.remote.dialects.dialect import Dialect
from qwen_rerank.scorers.remote.response import reader
from qwen_rerank.types import RerankRequest


def build(model: str, request: RerankRequest, dialect: Dialect) -> dict[str, Any]:
    """The request's body; the service cuts what is too long for the model."""
    return {**build_without_documents(model, request, dialect), "truncation": True}


VOYAGE = Dialect(
    "voyage", "/v1/rerank", build, reader("data"), max_documents=1000, takes_blanks=False
)
