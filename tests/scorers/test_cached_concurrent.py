"""Equal requests at the same time are scored once, and no thread waits for ever."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from types import FrameType
from typing import Any

import pytest

from qwen_rerank import InvalidInputError, ScorerUnavailableError
from qwen_rerank.call import Call
from qwen_rerank.errors import DeadlineError
from qwen_rerank.testing import FakeScorer
from tests.scorers.batches import Batches, cached, plain, requests
from tests.server.running import wait_until

QUERIES = ["red fox", "blue whale", "red fox"]
DOCUMENTS = [["a fox", "a red fox"], ["whale", "blue whale"], ["a fox", "a red fox"]]


def test_equal_requests_at_the_same_time_are_scored_once() -> None:
    goes_on = threading.Event()

    class Slow(FakeScorer):
        def score(self, *arguments: Any, **options: Any) -> list[float]:
            assert goes_on.wait(20)
            return super().score(*arguments, **options)

    slow = Slow()
    scorer = cached(slow)

    def score_at_once(count: int, query: str, documents: list[str]) -> list[Future[list[float]]]:
        goes_on.clear()
        with ThreadPoolExecutor(count) as pool:
            calls = [pool.submit(scorer.score, query, documents) for _ in range(count)]
            wait_until(lambda: len(_waiting_threads("wait")) >= count - 1)
            goes_on.set()
        return calls

    calls = score_at_once(20, "a b", ["a", "b a"])
    assert [call.result() for call in calls] == [[0.5, 1]] * 20
    assert len(slow.calls) == 1
    slow.error = ScorerUnavailableError("down")
    calls = score_at_once(5, "x", ["y"])
    errors = [call.exception() for call in calls]
    assert all(isinstance(error, ScorerUnavailableError) for error in errors)
    assert len({id(error) for error in errors}) == 5, "each thread raises its own"
    assert len(slow.calls) == 2


class Gate:
    """Holds scores back until `goes_on` is set."""

    def __init__(self) -> None:
        self.started, self.goes_on = threading.Event(), threading.Event()

    def score(self, query: str, document: str) -> float:
        """A score, once it may go on."""
        self.started.set()
        assert self.goes_on.wait(20)
        return 0.5


def test_a_waiting_thread_keeps_to_its_own_deadline() -> None:
    gate = Gate()
    scorer = cached(FakeScorer(gate.score))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(scorer.score, "a", ["a"])
        assert gate.started.wait(20)
        try:
            with Call(time.monotonic() + 0.1).active(), pytest.raises(DeadlineError):
                scorer.score("a", ["a"])
            assert not first.done()
        finally:
            gate.goes_on.set()
        assert first.result(20) == [0.5]


def test_a_cancelled_call_gives_its_waiting_thread_back() -> None:
    gate = Gate()
    scorer, call = cached(FakeScorer(gate.score)), Call()

    def score_cancelled() -> list[float]:
        with call.active():
            return scorer.score("a", ["a"])

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(scorer.score, "a", ["a"])
        assert gate.started.wait(20)
        try:
            second = pool.submit(score_cancelled)
            wait_until(lambda: len(_waiting_threads("wait")) == 1)
            call.cancel()
            assert isinstance(second.exception(20), CancelledError)
            assert not first.done()
        finally:
            gate.goes_on.set()
        assert first.result(20) == [0.5]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, InvalidInputError])
def test_a_waiting_thread_scores_itself_when_the_other_one_is_interrupted(
    interruption: type[BaseException],
) -> None:
    """Ctrl-C in one thread is not raised in another one."""
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
        first = pool.submit(scorer.score, "a", ["a"])
        assert waits.wait(20)
        others = [pool.submit(scorer.score, "a", ["a"]) for _ in range(2)]
        wait_until(lambda: len(_waiting_threads("wait")) >= 2)
        goes_on.set()
        assert isinstance(first.exception(20), interruption)
        assert [other.exception(20) for other in others] == [None, None]
        assert [other.result() for other in others] == [[1], [1]]


def _waiting_threads(function: str) -> list[FrameType]:
    """A frame for each thread that waits for another thread's future."""
    frames = []
    for frame in sys._current_frames().values():  # noqa: SLF001 - the documented name
        walker: FrameType | None = frame
        while walker is not None:
            if walker.f_code.co_name == function and "_base.py" in walker.f_code.co_filename:
                frames.append(walker)
                break
            walker = walker.f_back
    return frames


def test_one_request_does_not_wait_for_a_call_with_many() -> None:
    """That call may take as long as all of its requests together."""
    started, goes_on = threading.Event(), threading.Event()

    def slow(query: str, document: str) -> float:
        if query == "last" and not started.is_set():
            started.set()
            assert goes_on.wait(20)
        return 0.5

    scorer = cached(FakeScorer(slow))
    with ThreadPoolExecutor(2) as pool:
        many = pool.submit(scorer.score_batch, requests(["first", "last"], [["a"], ["a"]]))
        assert started.wait(20)
        try:
            for query in ("first", "last"):
                assert pool.submit(scorer.score, query, ["a"]).result(10) == [0.5]
            assert not many.done()
        finally:
            goes_on.set()
        assert plain(many.result(20)) == [[0.5], [0.5]]


def test_a_call_with_many_requests_waits_for_those_that_are_being_scored() -> None:
    started, goes_on = threading.Event(), threading.Event()

    def slow(query: str, document: str) -> float:
        if query == "red fox":
            started.set()
            assert goes_on.wait(20)
        return 0.5

    batches = Batches(FakeScorer(slow))
    scorer = cached(batches)
    with ThreadPoolExecutor(2) as pool:
        alone = pool.submit(scorer.score, "red fox", DOCUMENTS[0])
        assert started.wait(20)
        many = pool.submit(scorer.score_batch, requests(QUERIES, DOCUMENTS))
        wait_until(lambda: len(batches.batches) == 2)
        goes_on.set()
        assert alone.result(20) == [0.5, 0.5]
        assert plain(many.result(20)) == [[0.5, 0.5]] * 3
    assert [[query for query, _ in batch] for batch in batches.batches] == [
        ["red fox"],
        ["blue whale"],
    ]
