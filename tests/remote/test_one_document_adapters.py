"""One document that a server does not take, through both adapters: sync, async, in a fleet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from langchain_core.documents import Document
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

import langchain_qwen_rerank
import llama_index_qwen_rerank
from qwen_rerank.scorers import breaker
from tests.remote.refusing_servers import (
    QUERY,
    WORSE,
    alone_and_in_a_fleet,
    null_for_blanks,
    refusing_blanks,
    refusing_long,
    requests_to,
    started,
)

Found = list[tuple[str, float | None, str | None]]
"""Text, score and reason of each document, in the order that came back."""
Call = Callable[[list[str]], Awaitable[Found]]


def in_langchain(**settings: Any) -> Call:
    compressor = langchain_qwen_rerank.QwenRerank(**settings)

    async def call(documents: list[str]) -> Found:
        given = [Document(text) for text in documents]
        return read_langchain(await compressor.acompress_documents(given, QUERY))

    return call


def in_langchain_sync(**settings: Any) -> Call:
    compressor = langchain_qwen_rerank.QwenRerank(**settings)

    async def call(documents: list[str]) -> Found:
        given = [Document(text) for text in documents]
        found = await asyncio.to_thread(compressor.compress_documents, given, QUERY)
        return read_langchain(found)

    return call


def read_langchain(documents: Sequence[Document]) -> Found:
    return [
        (d.page_content, d.metadata.get("relevance_score"), d.metadata.get("rerank_error"))
        for d in documents
    ]


def in_llama_index(**settings: Any) -> Call:
    postprocessor = llama_index_qwen_rerank.QwenRerank(**settings)

    async def call(documents: list[str]) -> Found:
        nodes = [NodeWithScore(node=TextNode(text=text)) for text in documents]
        return read_nodes(await postprocessor.apostprocess_nodes(nodes, QueryBundle(QUERY)))

    return call


def in_llama_index_sync(**settings: Any) -> Call:
    postprocessor = llama_index_qwen_rerank.QwenRerank(**settings)

    async def call(documents: list[str]) -> Found:
        nodes = [NodeWithScore(node=TextNode(text=text)) for text in documents]
        rerank = postprocessor.postprocess_nodes
        return read_nodes(await asyncio.to_thread(rerank, nodes, QueryBundle(QUERY)))

    return call


def read_nodes(nodes: Sequence[NodeWithScore]) -> Found:
    return [(n.node.get_content(), n.score, n.node.metadata.get("rerank_error")) for n in nodes]


WAYS = {
    "500": (refusing_long("llama.cpp"), WORSE),
    "400": (refusing_long("vLLM"), WORSE),
    "413": (refusing_long("TEI"), WORSE),
    "null": (null_for_blanks, " "),
    "blank": (refusing_blanks, ""),
}


@alone_and_in_a_fleet
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "adapter", [in_langchain, in_langchain_sync, in_llama_index, in_llama_index_sync]
)
async def test_three_scores_and_one_document_below_them(
    adapter: Callable[..., Call], way: str, servers: int
) -> None:
    """More often than it takes failures to open a breaker, which would end the scores."""
    answer, bad = WAYS[way]
    with ExitStack() as stack:
        fleet = started(stack, answer, servers)
        call = adapter(
            base_url=[server.url for server in fleet],
            dialect="qwen-rerank",
            canary=False,
            cache_ttl=0,
            on_error="raise",
        )
        for number in range(servers * breaker.FAILURES + 1):
            found = await call([bad, "red sea", "red wine", "blue sea"])
            assert [text for text, _, _ in found] == ["red wine", "red sea", "blue sea", bad]
            assert [score for _, score, _ in found[:3]] == [1, 0.5, 0]
            assert found[3][2], "it says why it has no score"
            assert not any(reason for _, _, reason in found[:3])
            assert requests_to(fleet) <= 3 * (number + 1)
