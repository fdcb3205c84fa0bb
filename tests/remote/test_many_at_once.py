"""Hundreds of calls in flight: none waits for a thread, and the event loop stays free."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from langchain_core.documents import Document
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

import langchain_qwen_rerank
import llama_index_qwen_rerank
from qwen_rerank import ScorerUnavailableError, _threads
from tests.server.running import wait_until

CALLS = 200
SETTINGS: dict[str, Any] = {
    "dialect": "qwen-rerank",
    "canary": False,
    "on_error": "raise",
    "timeout": 60.0,
}


@dataclass
class Waiting:
    """A server on the test's own event loop that answers once so many requests are there."""

    count: int
    url: str = ""
    requests: int = 0
    complete: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:  # the client has closed its connection
                return
            length = re.search(rb"(?i)content-length: (\d+)", head)
            assert length is not None
            body = json.loads(await reader.readexactly(int(length[1])))
            self.requests += 1
            if self.requests == self.count:
                self.complete.set()
            await self.complete.wait()
            items = [{"index": i, "score": 0.5} for i in range(len(body["documents"]))]
            reply = json.dumps({"reranked_documents": items}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(reply) + reply)


@asynccontextmanager
async def waiting_for(count: int) -> AsyncIterator[Waiting]:
    waiting = Waiting(count)
    server = await asyncio.start_server(waiting.answer, "127.0.0.1", 0, backlog=1024)
    waiting.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield waiting
    finally:
        waiting.complete.set()
        server.close()


def with_langchain(url: str) -> Callable[[int], Awaitable[Any]]:
    compressor = langchain_qwen_rerank.QwenRerank(base_url=url, **SETTINGS)
    return lambda n: compressor.acompress_documents([Document(f"red {n}")], "red wine")


def with_llama_index(url: str) -> Callable[[int], Awaitable[Any]]:
    postprocessor = llama_index_qwen_rerank.QwenRerank(base_url=url, **SETTINGS)

    def call(number: int) -> Awaitable[Any]:
        nodes = [NodeWithScore(node=TextNode(text=f"red {number}"))]
        return postprocessor.apostprocess_nodes(nodes, QueryBundle("red wine"))

    return call


@pytest.mark.parametrize("adapter", [with_langchain, with_llama_index])
async def test_all_calls_are_in_flight_at_once(adapter: Any) -> None:
    """The server answers none before all are there, and only while the loop is free."""
    async with waiting_for(CALLS) as server:
        rankings = await asyncio.gather(*map(adapter(server.url), range(CALLS)))
    assert [len(ranking) for ranking in rankings] == [1] * CALLS


async def test_a_cancelled_call_is_not_waited_for() -> None:
    async with waiting_for(2) as server:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(with_langchain(server.url)(0), 0.3)
        assert not server.complete.is_set(), "there is no answer yet"


async def test_the_time_limit_of_a_call_starts_before_it_has_a_thread(
    monkeypatch: pytest.MonkeyPatch, later: Callable[[float], None]
) -> None:
    """Or each wave of a crowd would come later by the whole limit."""
    monkeypatch.setattr(_threads, "MAX_CALLS_IN_FLIGHT", 1)
    async with waiting_for(2) as server:
        call = with_langchain(server.url)
        calls = [asyncio.ensure_future(call(number)) for number in range(2)]
        await asyncio.to_thread(wait_until, lambda: server.requests == 1)
        later(2 * SETTINGS["timeout"])
        server.complete.set()
        first, second = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(first, list)
        assert isinstance(second, ScorerUnavailableError)
        assert server.requests == 1, "nothing was sent for the second one"
