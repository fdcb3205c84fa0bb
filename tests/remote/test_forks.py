"""A forked child inherits what the parent's threads held, but not the threads."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from qwen_rerank import CachedScorer, DocumentScore, RemoteScorer, ScorerError
from qwen_rerank.scorers import breaker
from qwen_rerank.scorers.score_store import MemoryStore
from qwen_rerank.testing import FakeScorer
from tests.remote.fault_server import Received
from tests.remote.servers import Reply, own_answer, running

QUERY = "red wine"
FOUND = {b"a" * 16: DocumentScore(0.25)}


def in_a_child(check: Callable[[], bool]) -> bool:
    """Whether the check holds in a forked child, within 20 seconds."""
    return held(start_child(check))


def start_child(check: Callable[[], bool]) -> int:
    """The id of a child that checks while this process goes on."""
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # kills the child if it hangs
        try:
            os._exit(0 if check() else 1)
        finally:
            os._exit(2)
    return child


def held(child: int) -> bool:
    """Whether the check of a child held, once it has ended."""
    return os.waitpid(child, 0)[1] == 0


@contextmanager
def meanwhile(call: Callable[[], object], started: threading.Event) -> Iterator[None]:
    """A thread of the parent is in this call during the block."""

    def swallow() -> None:
        with suppress(ScorerError):
            call()

    thread = threading.Thread(target=swallow, daemon=True)
    thread.start()
    assert started.wait(20)
    yield


class Hanging:
    """A server's answer that hangs once it is told to, one time."""

    def __init__(self) -> None:
        self.hangs, self.ends = threading.Event(), threading.Event()
        self.next: Callable[[Received], Reply] = own_answer
        self._told = False

    def once(self) -> None:
        self._told = True

    def __call__(self, received: Received) -> Reply:
        if self._told:
            self._told = False
            self.hangs.set()
            self.ends.wait(30)
        return self.next(received)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    server = Hanging()
    yield server
    server.ends.set()


def test_a_call_that_waits_for_no_thread() -> None:
    """The thread that asks for the others is not there in the child."""
    parent, started, ends = os.getpid(), threading.Event(), threading.Event()

    def slow(query: str, document: str) -> float:
        if os.getpid() == parent:
            started.set()
            ends.wait(30)
        return 0.5

    scorer = CachedScorer(FakeScorer(slow), identity="fake")
    with meanwhile(lambda: scorer.score(QUERY, ["red"]), started):
        assert in_a_child(lambda: scorer.score(QUERY, ["red"]) == [0.5])
    ends.set()


def test_a_first_look_that_is_under_way(hanging: Hanging) -> None:
    with running(hanging) as server:
        scorer = RemoteScorer(server.url, "m", timeout=15)
        hanging.once()
        with meanwhile(lambda: scorer.score(QUERY, ["red"]), hanging.hangs):
            assert in_a_child(lambda: scorer.score(QUERY, ["red"]) == [0.5])


def test_a_probe_that_is_under_way(hanging: Hanging, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "REST_SECONDS", 0.1)
    with running(hanging) as server:
        scorer = RemoteScorer(server.url, "m", dialect="qwen-rerank", max_retries=0, canary=False)
        hanging.next = lambda received: (503, {})
        for _ in range(breaker.FAILURES):
            with pytest.raises(ScorerError):
                scorer.score(QUERY, ["red"])
        time.sleep(0.2)
        hanging.next = own_answer
        hanging.once()
        with meanwhile(lambda: scorer.score(QUERY, ["red"]), hanging.hangs):
            assert in_a_child(lambda: scorer.score(QUERY, ["red"]) == [0.5])


def test_the_busy_server_of_the_parent_is_not_busy_in_the_child(hanging: Hanging) -> None:
    with running(hanging) as one, running(own_answer) as other:
        scorer = RemoteScorer([one.url, other.url], "m", dialect="qwen-rerank", canary=False)
        hanging.once()

        def ask(times: int) -> bool:
            return [scorer.score(QUERY, ["red"]) for _ in range(times)] == [[0.5]] * times

        with meanwhile(lambda: ask(2), hanging.hangs):
            before = len(one.received)
            assert in_a_child(lambda: ask(4))
            assert len(one.received) == before + 2
            hanging.ends.set()


def test_a_memory_store_that_another_thread_uses() -> None:
    store, inside, goes_on = MemoryStore(), threading.Event(), threading.Event()
    store.put(FOUND)

    class Slow(bytes):
        """A key whose look-up holds the store's lock."""

        def __hash__(self) -> int:
            inside.set()
            goes_on.wait(20)
            return 0

    thread = threading.Thread(target=store.get, args=([Slow(b"key")],))
    thread.start()
    assert inside.wait(20)
    try:
        assert in_a_child(lambda: store.get(list(FOUND)) == {})
    finally:
        goes_on.set()
        thread.join()
