"""This project's server: `{"query", "documents"}` -> `{"reranked_documents": [...]}`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qwen_rerank.printable import printable
from qwen_rerank.scorers.remote.dialects.dialect import Dialect
from qwen_rerank.scorers.remote.response import member, scores_by_index
from qwen_rerank.types import DocumentScore, RerankRequest, Scores

_LONGEST = 500
"""Characters of a server's reason that are passed on."""


def build(_model: str, request: RerankRequest, dialect: Dialect) -> dict[str, Any]:
    """The request's body."""
    return {
        "query": request.query,
        "documents": list(request.documents),
        **dialect.instruction_field(request),
    }


def read(reply: Any, count: int) -> Scores:
    """Scores from `reranked_documents[].{index, score}`, with what stands beside them."""
    items = member(reply, "reranked_documents")
    scores = scores_by_index(items, count, "score")
    by_index = {item["index"]: item for item in items}
    documents = (_with_details(score, by_index[i]) for i, score in enumerate(scores.documents))
    fallbacks = (_text(item, "fallback") for item in items)
    return Scores(tuple(documents), next(filter(None, fallbacks), None))


def _with_details(document: DocumentScore, item: dict[str, Any]) -> DocumentScore:
    if document.score is None:
        return replace(document, reason=_text(item, "not_reranked") or document.reason)
    return replace(document, truncated=item.get("truncated") is True)


def _text(item: dict[str, Any], name: str) -> str | None:
    value = item.get(name)
    return printable(value[:_LONGEST]) if isinstance(value, str) and value else None


OWN = Dialect("qwen-rerank", "/rerank", build, read, instruction="instruction")
