"""What clients get back, in the shapes that they parse."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from qwen_rerank.rows import rows
from qwen_rerank.types import RerankResult

Results = Sequence[RerankResult]


def own(results: Results, documents: Sequence[str]) -> dict[str, Any]:
    """This project's shape: each document with its score, place before and place now."""
    return {"reranked_documents": rows(results, documents)}


def common(
    rerank_id: str,
    results: Results,
    documents: Sequence[str],
    model: str,
    *,
    version: str,
    with_texts: bool,
) -> dict[str, Any]:
    """One body that the clients of Cohere, Jina, Voyage, vLLM and Infinity all parse.

    `document` stands in it only when asked for: some clients fail on null, some on a text
    and some on an object. Tokens are not counted, and nothing is billed.
    """
    rows = [
        {
            "index": result.index,
            "relevance_score": result.score,
            **({"document": {"text": documents[result.index]}} if with_texts else {}),
        }
        for result in results
    ]
    return {
        "id": rerank_id,
        "object": "rerank",
        "created": int(time.time()),
        "model": model,
        "results": rows,
        "data": rows,
        "usage": {"prompt_tokens": 0, "total_tokens": 0},
        "meta": {"api_version": {"version": version}, "billed_units": {"search_units": 0}},
    }


def bare(results: Results, texts: Sequence[str], *, with_texts: bool) -> list[dict[str, Any]]:
    """The shape of Text Embeddings Inference: a list, best first."""
    return [
        {
            "index": result.index,
            "score": result.score,
            **({"text": texts[result.index]} if with_texts else {}),
        }
        for result in results
    ]


def error(message: str, status: int) -> dict[str, Any]:
    """Every error's body: `detail` for people and most clients, `error` for OpenAI's kind."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return {"detail": message, "error": {"message": message, "type": kind, "code": status}}
