"""Hundreds of calls in flight: no one waits for a thread, and the event loop stays free."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from langchain_core.documents import Document
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

import langchain_qwen_rerank
import llama_index_qwen_rerank
from tests.remote.servers import own

CALLS = 200


async def with_langchain(url: str) -> Callable[[int], Awaitable[Any]]:
    compressor = langchain_qwen_rerank.QwenRerank(base_url=url, model="m", on_error="raise")
    return lambda n: compressor.acompress_documents([Document(f"red {n}")], "red wine")


async def with_llama_index(url: str) -> Callable[[int], Awaitable[Any]]:
    postprocessor = llama_index_qwen_rerank.QwenRerank(base_url=url, model="m", on_error="raise")

    def call(number: int) -> Awaitable[Any]:
        nodes = [NodeWithScore(node=TextNode(text=f"red {number}"))]
        return postprocessor.apostprocess_nodes(nodes, QueryBundle("red wine"))

    return call


async def longest_stall(stop: asyncio.Event) -> float:
    worst = 0.0
    while not stop.is_set():
        before = time.monotonic()
        await asyncio.sleep(0.005)
        worst = max(worst, time.monotonic() - before - 0.005)
    return worst


@pytest.mark.parametrize("adapter", [with_langchain, with_llama_index])
async def test_all_calls_are_in_flight_at_once(adapter: Any) -> None:
    """Behaviour, not speed: on few threads, 200 calls of 1 s would take many rounds."""
    with own(seconds=1) as server:
        call = await adapter(server.url)
        await call(-1)
        stop = asyncio.Event()
        watch = asyncio.create_task(longest_stall(stop))
        start = time.monotonic()
        answers = await asyncio.gather(*map(call, range(CALLS)))
        took = time.monotonic() - start
        stop.set()
        stall = await watch
    assert len(answers) == CALLS
    assert took < 3
    assert stall < 0.5, "benchmarks/remote_load.py measures it"
