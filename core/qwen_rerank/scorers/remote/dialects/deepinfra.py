"""DeepInfra: `scores[]`, in the documents' order."""

from __future__ import annotations

from typing import Any

from qwen_rerank.scorers.remote.dialects.dialect import Dialect
from qwen_rerank.scorers.remote.response import member, scores_by_place
from qwen_rerank.types import RerankRequest, Scores


def build(_model: str, request: RerankRequest, dialect: Dialect) -> dict[str, Any]:
    """The request's body: the query once per document."""
    documents = list(request.documents)
    return {
        "queries": [request.query] * len(documents),
        "documents": documents,
        **dialect.instruction_field(request),
    }


def read(reply: Any, count: int) -> Scores:
    """Scores from `scores[]`."""
    return scores_by_place(member(reply, "scores"), count)


DEEPINFRA = Dialect(
    "deepinfra", "/v1/inference/{model}", build, read, "instruction", takes_blanks=False
)
