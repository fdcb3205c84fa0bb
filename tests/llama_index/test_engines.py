"""Inside LlamaIndex's engines, over FAISS, sync and async."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.query_engine import CitationQueryEngine, RetrieverQueryEngine
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import NodeWithScore
from llama_index.core.tools import RetrieverTool

from llama_index_qwen_rerank import QwenRerank
from qwen_rerank.testing import FakeScorer

BEST = ["d", "a"]

pytestmark = pytest.mark.parametrize("how", ["sync", "async"])


def names(nodes: list[NodeWithScore]) -> list[str]:
    return [node.node.node_id for node in nodes]


@pytest.fixture
def reranker() -> QwenRerank:
    return QwenRerank(scorer=FakeScorer(), top_n=2)


async def test_query_engine(index: VectorStoreIndex, reranker: QwenRerank, how: str) -> None:
    engine = index.as_query_engine(similarity_top_k=4, node_postprocessors=[reranker])
    for _ in range(2):  # a second query finds the store as it was
        answer: Any = (
            await engine.aquery("red wine") if how == "async" else engine.query("red wine")
        )
        assert names(answer.source_nodes) == BEST
        assert all(node.node.metadata == {} for node in answer.source_nodes)


async def test_after_another_postprocessor(
    index: VectorStoreIndex, reranker: QwenRerank, how: str
) -> None:
    chain = [reranker, SimilarityPostprocessor(similarity_cutoff=0.9)]
    engine = index.as_query_engine(similarity_top_k=4, node_postprocessors=chain)
    answer: Any = await engine.aquery("red wine") if how == "async" else engine.query("red wine")
    assert names(answer.source_nodes) == ["d"]


@pytest.mark.parametrize("mode", ["context", "condense_plus_context", "condense_question"])
async def test_chat_engines(
    index: VectorStoreIndex, reranker: QwenRerank, mode: Any, how: str
) -> None:
    engine = index.as_chat_engine(
        chat_mode=mode, similarity_top_k=4, node_postprocessors=[reranker]
    )
    answer = await engine.achat("red wine") if how == "async" else engine.chat("red wine")
    assert len(answer.source_nodes) == 2
    if mode != "condense_question":  # there the mock LLM rewrites the question
        assert names(answer.source_nodes) == BEST


async def test_citation_engine(index: VectorStoreIndex, reranker: QwenRerank, how: str) -> None:
    engine = CitationQueryEngine.from_args(
        index, similarity_top_k=4, node_postprocessors=[reranker]
    )
    answer = await engine.aquery("red wine") if how == "async" else engine.query("red wine")
    assert ["red wine" in n.node.get_content() for n in answer.source_nodes] == [True, False]


async def test_retriever_tool(index: VectorStoreIndex, reranker: QwenRerank, how: str) -> None:
    tool = RetrieverTool.from_defaults(
        index.as_retriever(similarity_top_k=4), node_postprocessors=[reranker]
    )
    output = await tool.acall("red wine") if how == "async" else tool.call("red wine")
    assert names(output.raw_output) == BEST


async def test_fusion_retriever(index: VectorStoreIndex, reranker: QwenRerank, how: str) -> None:
    fusion = QueryFusionRetriever(
        [index.as_retriever(similarity_top_k=4)] * 2, num_queries=1, use_async=False
    )
    engine = RetrieverQueryEngine.from_args(fusion, node_postprocessors=[reranker])
    answer: Any = await engine.aquery("red wine") if how == "async" else engine.query("red wine")
    assert names(answer.source_nodes) == BEST
