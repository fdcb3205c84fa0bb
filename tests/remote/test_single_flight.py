"""Equal calls at the same time are one call, and whoever waits is never left behind."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from types import FrameType
from typing import Any

import pytest

from qwen_rerank import InvalidInputError, ScorerUnavailableError, Scores
from qwen_rerank.testing import FakeScorer
from tests.remote.test_cached import cached
from tests.server.running import wait_until


def test_equal_calls_at_once_are_one_call() -> None:
    goes_on = threading.Event()

    class Slow(FakeScorer):
        def score(self, *arguments: Any, **options: Any) -> list[float]:
            assert goes_on.wait(20)
            return super().score(*arguments, **options)

    slow = Slow()
    scorer = cached(slow)

    def ask_at_once(count: int, query: str, documents: list[str]) -> list[Future[Scores]]:
        goes_on.clear()
        with ThreadPoolExecutor(count) as pool:
            calls = [pool.submit(scorer.score, query, documents) for _ in range(count)]
            wait_until(lambda: len(_waiting_threads("result")) >= count - 1)
            goes_on.set()
        return calls

    calls = ask_at_once(20, "a b", ["a", "b a"])
    assert [call.result() for call in calls] == [[0.5, 1]] * 20
    assert len(slow.calls) == 1
    slow.error = ScorerUnavailableError("down")
    calls = ask_at_once(5, "x", ["y"])
    assert all(isinstance(call.exception(), ScorerUnavailableError) for call in calls)
    assert len(slow.calls) == 2


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, InvalidInputError])
def test_whoever_waits_asks_when_the_asking_call_is_interrupted(
    interruption: type[BaseException],
) -> None:
    """Ctrl-C in one thread is not to be raised in another one."""
    waits, goes_on = threading.Event(), threading.Event()

    class Interrupted(FakeScorer):
        def score(self, *arguments: Any, **options: Any) -> list[float]:
            if not waits.is_set():
                waits.set()
                assert goes_on.wait(20)
                raise interruption("now")
            return super().score(*arguments, **options)

    scorer = cached(Interrupted())
    with ThreadPoolExecutor(3) as pool:
        leader = pool.submit(scorer.score, "a", ["a"])
        assert waits.wait(20)
        followers = [pool.submit(scorer.score, "a", ["a"]) for _ in range(2)]
        wait_until(lambda: len(_waiting_threads("result")) >= 2)
        goes_on.set()
        assert isinstance(leader.exception(20), interruption)
        assert [follower.exception(20) for follower in followers] == [None, None]
        assert [follower.result() for follower in followers] == [[1], [1]]


def _waiting_threads(function: str) -> list[FrameType]:
    """The innermost frames of this name in pool threads: who waits for another's future."""
    frames = []
    for frame in sys._current_frames().values():
        walker: FrameType | None = frame
        while walker is not None:
            if walker.f_code.co_name == function and "_base.py" in walker.f_code.co_filename:
                frames.append(walker)
                break
            walker = walker.f_back
    return frames


def test_a_single_call_does_not_wait_for_a_bulk_call() -> None:
    """Which may take as long as all of its queries together."""
    started, goes_on = threading.Event(), threading.Event()

    def slow(query: str, document: str) -> float:
        if query == "last" and not started.is_set():
            started.set()
            assert goes_on.wait(20)
        return 0.5

    fake = FakeScorer(slow)
    scorer = cached(fake)
    with ThreadPoolExecutor(2) as pool:
        many = pool.submit(scorer.score_many, ["first", "last"], [["a"], ["a"]])
        assert started.wait(20)
        try:
            for query in ("first", "last"):
                assert pool.submit(scorer.score, query, ["a"]).result(10) == [0.5]
            assert not many.done()
        finally:
            goes_on.set()
        assert many.result(20) == [[0.5], [0.5]]
