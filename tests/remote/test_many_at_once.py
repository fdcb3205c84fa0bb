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
from benchmarks.remote_load import serving

CALLS = 200
SETTINGS: dict[str, Any] = {"dialect": "qwen-rerank", "canary": False, "on_error": "raise"}


async def with_langchain(url: str) -> Callable[[int], Awaitable[Any]]:
    compressor = langchain_qwen_rerank.QwenRerank(base_url=url, **SETTINGS)
    return lambda n: compressor.acompress_documents([Document(f"red {n}")], "red wine")


async def with_llama_index(url: str) -> Callable[[int], Awaitable[Any]]:
    postprocessor = llama_index_qwen_rerank.QwenRerank(base_url=url, **SETTINGS)

    def call(number: int) -> Awaitable[Any]:
        nodes = [NodeWithScore(node=TextNode(text=f"red {number}"))]
        return postprocessor.apostprocess_nodes(nodes, QueryBundle("red wine"))

    return call


@pytest.mark.parametrize("adapter", [with_langchain, with_llama_index])
async def test_all_calls_are_in_flight_at_once(adapter: Any) -> None:
    """On a loop's default executor, 200 calls of 1 s would take more than 6 rounds.

    benchmarks/remote_load.py measures how long exactly, and how long the loop is held.
    """
    with serving(seconds=1) as url:
        call = await adapter(url)
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.01)
                turns += 1

        counter = asyncio.create_task(count())
        start = time.monotonic()
        answers = await asyncio.gather(*map(call, range(CALLS)))
        took = time.monotonic() - start
        counter.cancel()
    assert len(answers) == CALLS
    assert took < 4
    assert turns > 5, "the loop went on turning while the calls waited"


async def test_a_cancelled_call_is_not_waited_for() -> None:
    with serving(seconds=2) as url:
        call = await with_langchain(url)
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call(0), 0.3)
        assert time.monotonic() - start < 1.5
