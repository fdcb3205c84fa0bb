"""Makes the nodes that a rerank returns."""

from __future__ import annotations

from typing import Any

from llama_index.core.schema import BaseNode, NodeWithScore

from qwen_rerank import RerankResult
from qwen_rerank.adapter import RERANK_ERROR, RERANK_TRUNCATED, marks

RETRIEVAL_SCORE = "retrieval_score"


def reranked_node(
    found: NodeWithScore, result: RerankResult, keep_retrieval_score: bool
) -> NodeWithScore:
    """A new `NodeWithScore`; the node itself is copied only if something is noted on it."""
    noted = marks(result)
    if keep_retrieval_score:
        noted[RETRIEVAL_SCORE] = found.score
    score = found.score if result.score is None else result.score
    return NodeWithScore(node=_noted(found.node, noted), score=score)


def _noted(node: BaseNode, noted: dict[str, Any]) -> BaseNode:
    """The node with fresh notes in its metadata that neither LLMs nor embeddings see."""
    kept = {k: v for k, v in node.metadata.items() if k not in {RERANK_ERROR, RERANK_TRUNCATED}}
    if not noted and len(kept) == len(node.metadata):
        return node
    update: dict[str, Any] = {"metadata": {**kept, **noted}}
    for hidden in ("excluded_llm_metadata_keys", "excluded_embed_metadata_keys"):
        update[hidden] = [*getattr(node, hidden), *noted]
    return node.model_copy(update=update)
