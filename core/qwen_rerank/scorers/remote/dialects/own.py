"""This project's server: `{"query", "documents"}` -> `{"reranked_documents": [...]}`."""

from __future__ import annotations

from typing import Any

from qwen_rerank.scorers.remote.dialects.dialect import Dialect
from qwen_rerank.scorers.remote.question import Question
from qwen_rerank.scorers.remote.response import member, scores_by_index
from qwen_rerank.types import DocumentScore, Scores

_LONGEST = 500
"""Characters of a server's reason that are passed on."""


def build(question: Question, dialect: Dialect) -> dict[str, Any]:
    """The request's body."""
    return {
        "query": question.query,
        "documents": dialect.texts(question),
        **dialect.instructed(question),
    }


def read(reply: Any, count: int) -> Scores:
    """Scores from `reranked_documents[].{index, score}`, with the marks `truncated`, `fallback`."""
    items = member(reply, "reranked_documents")
    scores = scores_by_index(items, count, "score")
    truncated = {item["index"] for item in items if item.get("truncated") is True}
    fallbacks = (item.get("fallback") for item in items)
    fallback = next((f[:_LONGEST] for f in fallbacks if isinstance(f, str) and f), None)
    documents = (DocumentScore(s, truncated=i in truncated) for i, s in enumerate(scores))
    return Scores(tuple(documents), fallback)


OWN = Dialect("qwen-rerank", "/rerank", build, read, instruction="instruction", own_template=True)
