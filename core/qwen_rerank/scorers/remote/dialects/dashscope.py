"""DashScope's native route: `output.results[].{index, relevance_score}`."""

from __future__ import annotations

from typing import Any

from qwen_rerank.scorers.remote.dialects.dialect import Dialect
from qwen_rerank.scorers.remote.dialects.images import fields
from qwen_rerank.scorers.remote.response import reader
from qwen_rerank.types import RerankRequest


def build(model: str, request: RerankRequest, dialect: Dialect) -> dict[str, Any]:
    """The request's body: the question in `input`, how to answer it in `parameters`."""
    return {
        "model": model,
        "input": {"query": request.query, "documents": dialect.documents(request)},
        "parameters": {"return_documents": False, **dialect.instruction_field(request)},
    }


DASHSCOPE = Dialect(
    "dashscope",
    "/api/v1/services/rerank/text-rerank/text-rerank",
    build,
    reader("output", "results"),
    "instruct",
    500,
    takes_blanks=False,
    image_form=fields,
)
