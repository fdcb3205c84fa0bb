"""This project's server: `{"query", "documents"}` -> `{"reranked_documents": [...]}`."""

from __future__ import annotations

from typing import Any

from qwen_rerank.remote.dialects.dialect import Dialect
from qwen_rerank.remote.question import Question
from qwen_rerank.remote.reply import member, scores_by_index


def build(question: Question, dialect: Dialect) -> dict[str, Any]:
    """The request's body."""
    return {
        "query": question.query,
        "documents": dialect.texts(question),
        **dialect.instructed(question),
    }


def read(reply: Any, count: int) -> list[float]:
    """Scores from `reranked_documents[].{index, score}`."""
    return scores_by_index(member(reply, "reranked_documents"), count, "score")


OWN = Dialect("qwen-rerank", "/rerank", build, read, instruction="instruction", own_template=True)
