"""How long hundreds of concurrent calls take, and how long they hold the event loop.

    python benchmarks/remote_load.py [--calls 200] [--seconds 0.2] [--rounds 5]

Starts a server in a process of its own that takes so many seconds for each request.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from qwen_rerank import load

DOCUMENTS = [f"document {number} about wine" for number in range(10)]


def serve(port: Connection, seconds: float) -> None:
    asyncio.run(_serve(port, seconds))


@contextmanager
def serving(seconds: float) -> Iterator[str]:
    """The server in a process of its own; gives its base URL."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=serve, args=(theirs, seconds), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()


async def _serve(port: Connection, seconds: float) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:  # the client has closed its connection
                return
            length = re.search(rb"(?i)content-length: (\d+)", head)
            assert length is not None
            body = json.loads(await reader.readexactly(int(length[1])))
            await asyncio.sleep(seconds)
            items = [{"index": i, "score": 0.5} for i in range(len(body["documents"]))]
            reply = json.dumps({"reranked_documents": items}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(reply) + reply)

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024)
    port.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def stalls(stop: asyncio.Event) -> float:
    worst = 0.0
    while not stop.is_set():
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        worst = max(worst, time.perf_counter() - before - 0.001)
    return worst


async def measure(call: Callable[[int], Awaitable[Any]], calls: int) -> tuple[float, float]:
    stop = asyncio.Event()
    watch = asyncio.create_task(stalls(stop))
    start = time.perf_counter()
    await asyncio.gather(*map(call, range(calls)))
    took = time.perf_counter() - start
    stop.set()
    return took, await watch


def callers(url: str) -> dict[str, Callable[[int], Awaitable[Any]]]:
    from langchain_core.documents import Document
    from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

    import langchain_qwen_rerank
    import llama_index_qwen_rerank

    settings: dict[str, Any] = {
        "base_url": url,
        "dialect": "qwen-rerank",
        "canary": False,
        "cache_ttl": 0,
        "on_error": "raise",
    }
    reranker = load(**settings)
    compressor = langchain_qwen_rerank.QwenRerank(**settings)
    postprocessor = llama_index_qwen_rerank.QwenRerank(**settings)
    documents = [Document(text) for text in DOCUMENTS]
    nodes = [NodeWithScore(node=TextNode(text=text)) for text in DOCUMENTS]
    return {
        "Reranker.arerank": lambda n: reranker.arerank(f"q {n}", DOCUMENTS),
        "acompress_documents": lambda n: compressor.acompress_documents(documents, f"q {n}"),
        "apostprocess_nodes": lambda n: postprocessor.apostprocess_nodes(
            nodes, QueryBundle(f"q {n}")
        ),
    }


async def run(url: str, calls: int, seconds: float, rounds: int) -> None:
    print(f"{calls} calls at once, the server takes {seconds} s: ideal {seconds} s")
    kinds = callers(url)
    gc.collect()
    gc.freeze()  # else collecting what the frameworks imported is what would be measured
    for name, call in kinds.items():
        for number in range(rounds):
            took, stall = await measure(call, calls)
            kind = "cold" if number == 0 else "warm"
            print(
                f"{name:<22}{kind}: {took:.3f} s, {took / seconds:.2f} times the ideal, "
                f"longest stall {stall * 1000:.0f} ms"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with serving(options.seconds) as url:
        asyncio.run(run(url, options.calls, options.seconds, options.rounds))


if __name__ == "__main__":
    main()
