"""What a ranking leaves in a document's metadata, the same in both frameworks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import deepcopy
from typing import Any

from qwen_rerank.types import RerankResult

RELEVANCE_SCORE = "relevance_score"
"""Metadata key of P("yes")."""
RERANK_ERROR = "rerank_error"
"""Metadata key of the reason why a document has no score: an outage, or `max_candidates`."""
RERANK_FALLBACK = "rerank_fallback"
"""Metadata key of the reason why another model gave the score."""
RERANK_TRUNCATED = "rerank_truncated"
"""Metadata key, present and true only where a document's end was not read."""
RERANK_ID = "rerank_id"
"""Metadata key of the ranking's id, present where `feedback` is kept."""
RERANK_INDEX = "rerank_index"
"""Metadata key of the document's place in the retriever's order, from 0; beside the id."""

RESULT_KEYS = (RERANK_ERROR, RERANK_FALLBACK, RERANK_TRUNCATED)
ID_KEYS = (RERANK_ID, RERANK_INDEX)


def stale_keys(rerank_id: str | None) -> tuple[str, ...]:
    """Keys left by an earlier rerank, to delete; the old id goes only if a new one replaces it."""
    return RESULT_KEYS if rerank_id is None else (*RESULT_KEYS, *ID_KEYS)


def result_metadata(result: RerankResult, rerank_id: str | None = None) -> dict[str, Any]:
    """What a result says besides its score, as metadata."""
    found = {
        RERANK_ERROR: result.not_reranked,
        RERANK_FALLBACK: result.fallback,
        RERANK_TRUNCATED: result.truncated or None,
        RERANK_ID: rerank_id,
        RERANK_INDEX: None if rerank_id is None else result.index,
    }
    return {key: value for key, value in found.items() if value is not None}


def kept_metadata(metadata: Mapping[str, Any], stale: Collection[str]) -> dict[str, Any]:
    """A copy of a document's metadata without stale keys, for the caller to change."""
    return {key: _copied(value) for key, value in metadata.items() if key not in stale}


def _copied(value: Any) -> Any:
    """A copy; a value that can't be copied is shared."""
    try:
        return deepcopy(value)
    except Exception:  # a lock, a client: whatever people keep in metadata
        return value
