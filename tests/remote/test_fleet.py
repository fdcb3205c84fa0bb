"""Retries, failover and breakers: one loop, one deadline, no lost call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from qwen_rerank import RemoteRejectedError, RemoteScorer, ScorerUnavailableError
from qwen_rerank.scorers import breaker
from qwen_rerank.scorers.breaker import CircuitBreaker
from qwen_rerank.scorers.remote import retry
from qwen_rerank.scorers.remote.retry import RetryBudget, jittered_wait, retry_after_seconds
from tests.remote.fault_server import Received
from tests.remote.servers import Reply, Server, own, own_answer, running, tei
from tests.server.running import wait_until

QUERY = "red wine"


@pytest.fixture
def short_open_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "REST_SECONDS", 0.5)


def failing(status: int = 503, *, times: int | None = None) -> Any:
    """Refuses that many times, or always; then answers."""
    left = iter(range(times)) if times is not None else None

    def answer(received: Received) -> Reply:
        if left is None or next(left, None) is not None:
            return status, {"error": "busy"}
        return own_answer(received)

    return answer


def scorer_of(*urls: str, **options: Any) -> RemoteScorer:
    return RemoteScorer(urls, "m", **{"dialect": "qwen-rerank", "canary": False, **options})


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_there_are_as_many_retries_as_set(retries: int) -> None:
    with running(failing()) as server:
        with pytest.raises(ScorerUnavailableError, match="answered 503"):
            scorer_of(server.url, max_retries=retries).score(QUERY, ["d"])
        assert len(server.received) == 1 + retries


def test_a_refusal_is_not_repeated() -> None:
    with running(failing(401)) as server:
        with pytest.raises(RemoteRejectedError, match="answered 401"):
            scorer_of(server.url).score(QUERY, ["d"])
        assert len(server.received) == 1


def test_repeats_are_a_share_of_the_calls() -> None:
    """A server in trouble gets little more load than before."""
    budget = RetryBudget()
    for _ in range(1000):
        budget.earn()
    assert sum(budget.spend() for _ in range(1000)) == retry.MOST_SAVED
    with running(failing()) as server:
        scorer = scorer_of(server.url)
        for _ in range(4):
            with pytest.raises(ScorerUnavailableError):
                scorer.score(QUERY, ["d"])
        assert len(server.received) <= 4 + retry.SAVED_AT_START + 1


def test_waits_are_drawn_from_a_widening_range() -> None:
    for repeats, most in ((0, 0.2), (3, 1.6), (10, 8.0)):
        waits = [jittered_wait(repeats) for _ in range(500)]
        assert 0 <= min(waits) < 0.2 * most
        assert 0.8 * most < max(waits) <= most


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        (" 0 ", 0),
        (None, None),
        ("", None),
        ("soon", None),
        ("1.5", None),
        ("nan", None),
        ("٣", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("9" * 5000, None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header) == seconds


@pytest.mark.parametrize("header", ["Fri, 01 Jan 2099 00:00:00 GMT", "9" * 400])
def test_a_far_retry_after_is_at_least_hours_away(header: str) -> None:
    seconds = retry_after_seconds(header)
    assert seconds is not None
    assert seconds >= 6 * 3600


def test_a_wait_that_does_not_fit_is_not_begun() -> None:
    def answer(received: Received) -> Reply:
        return 503, {}

    with running(answer) as server:
        scorer = scorer_of(server.url, timeout=5, max_retries=50)
        start = time.monotonic()
        with pytest.raises(ScorerUnavailableError):
            scorer.score(QUERY, ["d"])
        assert time.monotonic() - start < 5.5


def test_another_server_takes_over_at_once_and_in_the_same_call() -> None:
    with running(failing(500)) as broken, own() as well:
        scorer = scorer_of(broken.url, well.url)
        for _ in range(20):
            assert scorer.score(QUERY, ["red"]) == [0.5]
        assert len(broken.received) == breaker.FAILURES, "then its breaker is open"
        assert len(well.received) == 20


def test_a_server_that_hangs_leaves_time_for_another() -> None:
    with running(own_answer, seconds=10) as hanging, own() as well:
        scorer = scorer_of(hanging.url, well.url, timeout=6)
        for _ in range(4):
            start = time.monotonic()
            assert scorer.score(QUERY, ["red"]) == [0.5]
            assert time.monotonic() - start < 9, "it did not wait for the answer"
        assert hanging.received


def test_the_least_busy_server_gets_the_request() -> None:
    with running(own_answer, seconds=1) as slow, own(seconds=0.03) as fast:
        scorer = scorer_of(slow.url, fast.url)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: scorer.score(QUERY, ["red"]), range(60)))
        assert len(fast.received) > 2 * len(slow.received) > 0


def test_a_server_with_an_open_breaker_gets_no_request_until_it_recovers(
    later: Callable[[float], None],
) -> None:
    with running(failing(times=breaker.FAILURES)) as server:
        scorer = scorer_of(server.url, max_retries=0)
        for _ in range(breaker.FAILURES):
            with pytest.raises(ScorerUnavailableError, match="answered 503"):
                scorer.score(QUERY, ["d"])
        with pytest.raises(ScorerUnavailableError, match="no request was sent, the next try is in"):
            scorer.score(QUERY, ["d"])
        assert len(server.received) == breaker.FAILURES
        later(breaker.REST_SECONDS)
        assert scorer.score(QUERY, ["red"]) == [0.5]


def test_a_breaker_lets_one_probe_through(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    one = CircuitBreaker()
    opened = [one.failed() for _ in range(breaker.FAILURES)]
    assert opened == [False] * (breaker.FAILURES - 1) + [True]
    now[0] += breaker.REST_SECONDS - 0.5
    assert not one.admit()
    now[0] += 0.5
    assert [one.admit() for _ in range(3)] == [True, False, False]
    one.failed()
    assert not one.admit()
    now[0] += breaker.REST_SECONDS
    assert one.admit()
    one.abandoned()
    assert one.admit()
    assert one.succeeded()
    assert all(one.admit() for _ in range(3))


def test_one_of_three_killed_and_revived_under_load(short_open_times: None) -> None:
    """No call fails, and the revived server gets its share again."""
    stop = threading.Event()
    failures: list[Exception] = []

    with ExitStack() as stack:
        first, second = (stack.enter_context(own(seconds=0.01)) for _ in range(2))
        third_life = stack.enter_context(ExitStack())
        third = third_life.enter_context(own(seconds=0.01))
        scorer = RemoteScorer([first.url, second.url, third.url], "m")

        def load(number: int) -> None:
            while not stop.is_set():
                try:
                    assert scorer.score(QUERY, ["red", f"wine {number}"]) == [0.5, 0.5]
                except Exception as error:
                    failures.append(error)

        with ThreadPoolExecutor(12) as pool:
            for number in range(12):
                pool.submit(load, number)
            try:
                wait_until(lambda: len(third.received) > 10)
                third_life.close()
                time.sleep(1.2)
                port = int(third.url.rpartition(":")[2])
                again = stack.enter_context(own(seconds=0.01, port=port))
                wait_until(lambda: len(again.received) > 10)
                marks = [len(server.received) for server in (first, second, again)]
                time.sleep(1.0)
                shares = [
                    len(server.received) - mark
                    for server, mark in zip((first, second, again), marks, strict=True)
                ]
            finally:
                stop.set()  # else whatever fails here would leave the pool at work for ever
    assert failures == []
    assert min(shares) > 0.15 * sum(shares), shares


def test_each_server_has_a_dialect_of_its_own() -> None:
    """A fleet may speak several dialects."""
    with own() as one, tei() as other:
        scorer = RemoteScorer([one.url, other.url], "m")
        for _ in range(6):
            assert scorer.score(QUERY, ["red"]) == [0.5]
        seen: list[Server] = [one, other]
        assert all(len(server.received) >= 4 for server in seen)


def test_an_open_breaker_takes_no_time_from_the_other_server() -> None:
    def answer(received: Received) -> Reply:
        time.sleep(3.5 if "slow" in received.documents else 0)  # more than half of the time
        return own_answer(received)

    with running(failing(500)) as broken, running(answer) as well:
        scorer = scorer_of(broken.url, well.url, timeout=6)
        while len(broken.received) < breaker.FAILURES:
            scorer.score(QUERY, ["red"])
        assert [scorer.score(QUERY, ["slow"]) for _ in range(2)] == [[0]] * 2


def test_the_first_wait_is_the_shortest(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers: list[int] = []

    def no_wait(repeats: int) -> float:
        numbers.append(repeats)
        return 0.0

    monkeypatch.setattr("qwen_rerank.scorers.remote.endpoint_pool.jittered_wait", no_wait)
    with running(failing()) as server, pytest.raises(ScorerUnavailableError):
        scorer_of(server.url, max_retries=3).score(QUERY, ["d"])
    assert numbers == [0, 1, 2]
