"""The requests of one call are under way at once, within bounds, and end together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from qwen_rerank import ConfigError, RemoteScorer, ScorerUnavailableError, load
from qwen_rerank.scorers.remote import request_pool
from qwen_rerank.scorers.remote.request_pool import REQUESTS_PER_CALL, RequestPool
from qwen_rerank.types import RerankRequest, Scores
from tests.remote.fault_server import Received
from tests.remote.outcomes import values
from tests.remote.servers import Reply, own_answer, running

PATIENCE = 30.0


def scorer_at(url: str) -> RemoteScorer:
    return RemoteScorer(url, "m", dialect="qwen-rerank", canary=False, timeout=PATIENCE)


def requests(count: int) -> list[RerankRequest]:
    return [RerankRequest(f"red {number}", ["red", str(number), "x"]) for number in range(count)]


def test_the_requests_of_a_call_are_sent_at_the_same_time() -> None:
    """The server answers none of them before all are there."""
    complete = threading.Barrier(REQUESTS_PER_CALL)

    def answer(received: Received) -> Reply:
        complete.wait(PATIENCE)
        return own_answer(received)

    with running(answer) as server:
        outcomes = scorer_at(server.url).score_batch(requests(REQUESTS_PER_CALL))
    assert [values(o) for o in outcomes if isinstance(o, Scores)] == [[0.5, 0.5, 0]] * 8


def test_a_call_with_many_requests_has_a_few_under_way_and_keeps_their_order() -> None:
    lock, under_way, most = threading.Lock(), 0, 0

    def answer(received: Received) -> Reply:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        number = float(received.body["query"].split()[1])
        with lock:
            under_way -= 1
        return 200, {"reranked_documents": [{"index": i, "score": number / 100} for i in range(3)]}

    with running(answer) as server:
        outcomes = scorer_at(server.url).score_batch(requests(50))
    assert [o.documents[0].score for o in outcomes if isinstance(o, Scores)] == [
        number / 100 for number in range(50)
    ]
    assert 1 <= most <= REQUESTS_PER_CALL


def test_an_error_concerns_its_own_request_only() -> None:
    def answer(received: Received) -> Reply:
        return (400, {}) if received.body["query"] == "red 1" else own_answer(received)

    with running(answer) as server:
        outcomes = scorer_at(server.url).score_batch(requests(3))
    assert [isinstance(outcome, Scores) for outcome in outcomes] == [True, False, True]


def test_a_few_requests_share_one_timeout() -> None:
    """A server that never answers ends the call once, not once for each request."""
    silent = threading.Event()

    def answer(received: Received) -> Reply:
        silent.wait(PATIENCE)
        return own_answer(received)

    with running(answer) as server:
        scorer = RemoteScorer(server.url, "m", dialect="qwen-rerank", canary=False, timeout=0.5)
        outcomes = scorer.score_batch(requests(REQUESTS_PER_CALL))
        assert all(isinstance(outcome, ScorerUnavailableError) for outcome in outcomes)
        assert len(server.received) == REQUESTS_PER_CALL, "all were sent within one timeout"
        silent.set()


class Watched(list[str]):
    """Tells when all of its items are in the queue."""

    def __init__(self, items: list[str]) -> None:
        super().__init__(items)
        self.queued = threading.Event()

    def __iter__(self) -> Iterator[str]:
        yield from super().__iter__()
        self.queued.set()


def test_a_small_call_is_not_behind_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a single thread, where the order of the work is plain to see."""
    monkeypatch.setattr(request_pool, "MAX_THREADS", 1)
    pool, order = RequestPool(), list[str]()
    begun, goes_on = threading.Event(), threading.Event()

    def work(item: str) -> str:
        begun.set()
        assert goes_on.wait(PATIENCE)
        order.append(item)
        return item

    few = Watched(["small 0", "small 1"])
    with ThreadPoolExecutor(2) as callers:
        large = callers.submit(pool.map, work, [f"large {n}" for n in range(40)])
        assert begun.wait(PATIENCE)
        small = callers.submit(pool.map, work, few)
        assert few.queued.wait(PATIENCE)
        goes_on.set()
        assert small.result(PATIENCE) == few
        assert len(large.result(PATIENCE)) == 40
    assert order.index("small 1") < 2 * REQUESTS_PER_CALL


def test_a_call_that_fails_cancels_the_rest() -> None:
    """An instruction that the server can't take is wrong for all of them."""
    with running(own_answer) as server:
        scorer = RemoteScorer(server.url, "m", dialect="tei", canary=False)
        many = [RerankRequest("q", ["d"], "Find it") for _ in range(200)]
        with pytest.raises(ConfigError, match="no way to pass an instruction"):
            scorer.score_batch(many)
        assert not server.received


async def test_a_cancelled_call_ends_all_of_its_exchanges() -> None:
    """Long before the timeout: the server sees every connection closed."""
    received, closed = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        received.release()
        while await reader.read(1000):
            pass
        closed.release()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    reranker = load(base_url=url, dialect="qwen-rerank", canary=False, timeout=3600)
    call = asyncio.create_task(
        reranker.run(reranker.rerank_many, ["a", "b", "c"], [["d"], ["e"], ["f"]])
    )
    async with server, asyncio.timeout(PATIENCE):
        for _ in range(3):
            await received.acquire()
        call.cancel()
        for _ in range(3):
            await closed.acquire()
        with pytest.raises(asyncio.CancelledError):
            await call
