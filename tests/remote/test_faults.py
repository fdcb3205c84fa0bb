"""Whatever a server does, a call ends in time, in bounded memory, and loses no document."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest

from qwen_rerank import (
    FallbackScorer,
    RemoteScorer,
    Reranker,
    RerankResult,
    ScorerUnavailableError,
)
from qwen_rerank.scorers.remote import http_client
from qwen_rerank.scorers.remote.http_client import REPLY_BYTES
from qwen_rerank.testing import FakeScorer
from qwen_rerank.types import Scores
from tests.remote.faults import FAULTS, Fault
from tests.remote.outcomes import outcome_of, scores_of, values

QUERY = "red wine"
DOCUMENTS = ["blue sea", "red wine", "red sea", "black tea"]
RANKING = [1, 2, 0, 3]
TIMEOUT = 1.5
"""Seconds for what only a deadline ends, which takes as long."""
PATIENCE = 20.0
"""Seconds for all else, which ends by itself, but not soon on a busy machine."""
GRACE = 15.0
"""Seconds by which a call may be late. docs/remote.md promises 1, but a busy machine is no fault
of the call; 15 still tell one that ends by its deadline from one that ends when its server does,
which is after 20 s or more."""
MEGABYTE = 1 << 20

every_fault = pytest.mark.parametrize("fault", FAULTS, ids=str)


def scorer_of(url: str, **options: object) -> RemoteScorer:
    """The dialect is named and no canary is sent, so that the fault meets the request."""
    settings: dict[str, object] = {"dialect": "qwen-rerank", "canary": False, "timeout": TIMEOUT}
    return RemoteScorer(url, **{**settings, **options})  # type: ignore[arg-type]


def scorer_for(fault: Fault, url: str, **options: object) -> RemoteScorer:
    return scorer_of(url, timeout=timeout_of(fault), **options)


def timeout_of(fault: Fault, short: float = TIMEOUT) -> float:
    return short if fault.hangs else PATIENCE


@every_fault
def test_one_typed_error_or_all_scores_in_time_and_memory(fault: Fault) -> None:
    with fault.serve() as url:
        tracemalloc.start()
        start = time.monotonic()
        got = outcome_of(scorer_for(fault, url), QUERY, DOCUMENTS)
        elapsed = time.monotonic() - start
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert elapsed < timeout_of(fault) + GRACE
    assert peak < 2 * REPLY_BYTES + 6 * MEGABYTE
    if fault.error is None:
        assert got == Scores.of([0, 1, 0.5, 0])
    else:
        assert type(got) is fault.error
        assert url in str(got)
        assert str(got).isprintable()
        assert getattr(got, "status", None) == fault.status


@every_fault
def test_the_fault_during_the_handshake(fault: Fault) -> None:
    with fault.serve() as url:
        scorer = scorer_for(fault, url, dialect="auto", canary=True)
        start = time.monotonic()
        if fault.error is None:
            assert scorer.score(QUERY, DOCUMENTS) == [0, 1, 0.5, 0]
        else:
            with pytest.raises(fault.error):
                scorer.score(QUERY, DOCUMENTS)
        assert time.monotonic() - start < timeout_of(fault) + GRACE


@every_fault
def test_the_reranker_raises_or_keeps_the_order(fault: Fault) -> None:
    with fault.serve() as url:
        reranker = Reranker(scorer_for(fault, url), on_error="original_order")
        results = reranker.rerank(QUERY, DOCUMENTS)
        if fault.error is None:
            assert [result.index for result in results] == RANKING
        else:
            [reason] = {result.not_reranked for result in results}
            assert reason is not None
            assert results == [RerankResult(i, None, not_reranked=reason) for i in range(4)]
            assert reranker.calls_not_reranked == 1
            with pytest.raises(fault.error):
                Reranker(scorer_for(fault, url), on_error="raise").rerank(QUERY, DOCUMENTS)


@every_fault
def test_another_model_scores_the_whole_list_instead(fault: Fault) -> None:
    with fault.serve() as url:
        fake = FakeScorer(lambda query, text: len(text) / 10)
        scorer = FallbackScorer(scorer_for(fault, url), fake)
        scores = scores_of(scorer, QUERY, DOCUMENTS)
    if fault.error is None:
        assert values(scores) == [0, 1, 0.5, 0]
        assert scores.fallback is None
    else:
        assert values(scores) == [0.8, 0.8, 0.7, 0.9]
        assert str(scores.fallback).startswith(fault.error.__name__)
        assert scorer.fallen_back == 1


def test_a_name_look_up_that_hangs_ends_with_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*arguments: Any) -> Any:
        return time.sleep(20)

    monkeypatch.setattr("socket.getaddrinfo", hang)
    start = time.monotonic()
    with pytest.raises(ScorerUnavailableError, match="in time"):
        scorer_of("http://slow.invalid").score(QUERY, DOCUMENTS)
    assert time.monotonic() - start < TIMEOUT + GRACE


def test_a_connection_that_does_not_come_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "CONNECT_SECONDS", 0.2)
    [fault] = [fault for fault in FAULTS if fault.name == "connect timeout"]
    with (
        fault.serve() as url,
        pytest.raises(ScorerUnavailableError, match="no connection in time"),
    ):
        scorer_of(url, max_retries=0, timeout=PATIENCE).score(QUERY, DOCUMENTS)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:1", "ConnectionRefusedError: .* refused"),
        ("http://no-such-host.invalid", "gaierror: "),
    ],
)
def test_a_missing_server_is_not_reported_as_slow(url: str, said: str) -> None:
    with pytest.raises(ScorerUnavailableError, match=said) as caught:
        scorer_of(url, max_retries=0, timeout=30.0).score(QUERY, DOCUMENTS)  # resolvers are slow
    assert "in time" not in str(caught.value)
