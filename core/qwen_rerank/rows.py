"""Rankings as plain data, the way the command line and the server show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qwen_rerank.types import RerankResult


def rows(results: Sequence[RerankResult], documents: Sequence[str]) -> list[dict[str, Any]]:
    """One row a result, best first; what is out of the ordinary has a key only where it is."""
    return [
        {
            "index": result.index,
            "score": result.score,
            "rank": rank,
            "document": documents[result.index],
            **({"truncated": True} if result.truncated else {}),
            **({"not_reranked": result.not_reranked} if result.not_reranked else {}),
            **({"fallback": result.fallback} if result.fallback else {}),
        }
        for rank, result in enumerate(results, start=1)
    ]
