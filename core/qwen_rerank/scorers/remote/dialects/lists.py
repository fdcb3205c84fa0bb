"""Servers that answer with a bare list: `[{index, score}]`. SGLang and TEI."""

from __future__ import annotations

from typing import Any

from qwen_rerank.scorers.remote.dialects.dialect import Dialect
from qwen_rerank.scorers.remote.question import Question
from qwen_rerank.scorers.remote.response import scores_by_index
from qwen_rerank.types import Scores


def build_for_sglang(question: Question, dialect: Dialect) -> dict[str, Any]:
    """The request's body; documents would come back unless told not to."""
    return {
        "model": question.model,
        "query": question.query,
        "documents": dialect.texts(question),
        "return_documents": False,
        **dialect.instructed(question),
    }


def build_for_tei(question: Question, dialect: Dialect) -> dict[str, Any]:
    """The request's body; `raw_scores: false` asks for the sigmoid."""
    return {"query": question.query, "texts": dialect.texts(question), "raw_scores": False}


def read(reply: Any, count: int) -> Scores:
    """Scores from `[].{index, score}`."""
    return Scores.of(scores_by_index(reply, count, "score"))


SGLANG = Dialect("sglang", "/v1/rerank", build_for_sglang, read, "instruct", takes_blanks=False)
TEI = Dialect("tei", "/rerank", build_for_tei, read, max_documents=32, takes_blanks=False)
"""Its default `--max-client-batch-size`; TEI loads no Qwen3 reranker, but many others."""
