"""Makes the nodes that a rerank returns."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from llama_index.core.schema import BaseNode, NodeWithScore

from qwen_rerank import RerankResult
from qwen_rerank.adapter import marks, replaced

RETRIEVAL_SCORE = "retrieval_score"


def reranked_node(
    found: NodeWithScore,
    result: RerankResult,
    keep_retrieval_score: bool,
    rerank_id: str | None = None,
) -> NodeWithScore:
    """A new `NodeWithScore`; the node itself is copied only if something is noted on it."""
    noted = marks(result, rerank_id)
    if keep_retrieval_score and RETRIEVAL_SCORE not in found.node.metadata:
        noted[RETRIEVAL_SCORE] = found.score
    score = found.score if result.score is None else result.score
    return NodeWithScore(node=_noted(found.node, noted, replaced(rerank_id)), score=score)


def _noted(node: BaseNode, noted: dict[str, Any], old: tuple[str, ...]) -> BaseNode:
    """The node with fresh notes in its metadata that neither LLMs nor embeddings see."""
    kept = {key: value for key, value in node.metadata.items() if key not in old}
    if not noted and len(kept) == len(node.metadata):
        return node
    update: dict[str, Any] = {"metadata": {**deepcopy(kept), **noted}}
    for hidden in ("excluded_llm_metadata_keys", "excluded_embed_metadata_keys"):
        update[hidden] = list(dict.fromkeys([*getattr(node, hidden), *noted]))
    return node.model_copy(update=update)
