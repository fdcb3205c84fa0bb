"""Makes the nodes that a rerank returns."""

from __future__ import annotations

from typing import Any

from llama_index.core.schema import BaseNode, NodeWithScore

from qwen_rerank import RerankResult
from qwen_rerank.metadata import kept_metadata, result_metadata, stale_keys

RETRIEVAL_SCORE = "retrieval_score"


def reranked_node(
    found: NodeWithScore,
    result: RerankResult,
    keep_retrieval_score: bool,
    rerank_id: str | None = None,
) -> NodeWithScore:
    """A new `NodeWithScore`; the node itself is copied only if its metadata changes."""
    new = result_metadata(result, rerank_id)
    if keep_retrieval_score and RETRIEVAL_SCORE not in found.node.metadata:
        new[RETRIEVAL_SCORE] = found.score
    score = found.score if result.score is None else result.score
    node = _with_metadata(found.node, new, stale_keys(rerank_id))
    return NodeWithScore(node=node, score=score)


def _with_metadata(node: BaseNode, new: dict[str, Any], stale: tuple[str, ...]) -> BaseNode:
    """The node with new metadata that no LLM and no embedding gets to see."""
    if not new and not any(key in node.metadata for key in stale):
        return node
    update: dict[str, Any] = {"metadata": {**kept_metadata(node.metadata, stale), **new}}
    for hidden in ("excluded_llm_metadata_keys", "excluded_embed_metadata_keys"):
        update[hidden] = list(dict.fromkeys([*getattr(node, hidden), *new]))
    return node.model_copy(update=update)
