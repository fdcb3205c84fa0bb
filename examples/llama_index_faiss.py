"""A LlamaIndex query engine over FAISS, reranked: only the line marked below is new.

python -m examples.llama_index_faiss
"""

from __future__ import annotations

from typing import Any

import faiss
from llama_index.core import Settings, StorageContext, VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.llms import MockLLM
from llama_index.core.schema import TextNode
from llama_index.vector_stores.faiss import FaissVectorStore
from pydantic import PrivateAttr

from examples.support.dense import LsaEmbedder
from examples.support.passages import PASSAGES
from llama_index_qwen_rerank import QwenRerank


class LsaEmbedding(BaseEmbedding):
    """An offline stand-in for the embedding that you already use."""

    _embed: LsaEmbedder = PrivateAttr(default_factory=lambda: LsaEmbedder(PASSAGES))

    def _get_text_embedding(self, text: str) -> list[float]:
        return [float(x) for x in self._embed([text])[0]]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


def main() -> None:
    Settings.llm, Settings.embed_model = MockLLM(), LsaEmbedding()  # your LLM and embedding
    width = len(Settings.embed_model.get_text_embedding("width"))
    store = FaissVectorStore(faiss_index=faiss.IndexFlatIP(width))
    context = StorageContext.from_defaults(vector_store=store)
    index = VectorStoreIndex([TextNode(text=text) for text in PASSAGES], storage_context=context)
    engine = index.as_query_engine(
        similarity_top_k=8,
        node_postprocessors=[QwenRerank(model="builtin", top_n=3)],  # the new line
    )
    for query in ("How long do I wait for a refund of damaged goods?", "投诉响应超时怎么处理？"):
        print(query)
        answer: Any = engine.query(query)
        for node in answer.source_nodes:
            shown = node.metadata.get("rerank_error") or f"{node.score:.3f}"
            print(f"  {shown}  {node.text}")


if __name__ == "__main__":
    main()
