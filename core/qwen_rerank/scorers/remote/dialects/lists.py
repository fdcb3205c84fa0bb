"""Servers that answer with a bare list: `[{index, score}]`. SGLang and TEI."""

from __future__ import annotations

from typing import Any

from qwen_rerank.scorers.remote.dialects.common import build_without_documents
from qwen_rerank.scorers.remote.dialects.dialect import Dialect
from qwen_rerank.scorers.remote.response import reader
from qwen_rerank.types import RerankRequest


def build_for_tei(_model: str, request: RerankRequest, _dialect: Dialect) -> dict[str, Any]:
    """The request's body, which asks for the sigmoid, and for a cut in place of an error."""
    return {
        "query": request.query,
        "texts": list(request.documents),
        "raw_scores": False,
        "truncate": True,
    }


read = reader(score_name="score")

SGLANG = Dialect(
    "sglang", "/v1/rerank", build_without_documents, read, "instruct", takes_blanks=False
)
TEI = Dialect("tei", "/rerank", build_for_tei, read, max_documents=32, takes_blanks=False)
"""Its default `--max-client-batch-size`; TEI loads no Qwen3 reranker, but many others."""
