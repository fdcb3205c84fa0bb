"""Servers that refuse every request, beside others that answer."""

from __future__ import annotations

import gc
import weakref

import pytest

from qwen_rerank import RemoteRejectedError, RemoteScorer, Reranker, ScorerUnavailableError
from qwen_rerank.scorers import breaker
from tests.remote.fault_server import Received
from tests.remote.servers import Reply, own, own_answer, running
from tests.remote.test_fleet import QUERY, failing, scorer_of

REFUSALS = [401, 403, 404, 405, 501]


@pytest.mark.parametrize("status", REFUSALS)
def test_another_server_answers_and_the_breaker_of_the_refusing_one_opens(status: int) -> None:
    """It is the fastest of all, and would get all calls."""
    with running(failing(status)) as refusing, own() as well:
        scorer = scorer_of(refusing.url, well.url, max_retries=0)
        for _ in range(20):
            assert scorer.score(QUERY, ["red"]) == [0.5]
        assert len(refusing.received) == breaker.FAILURES
        assert len(well.received) == 20


@pytest.mark.parametrize("dialect", ["qwen-rerank", "auto"])
def test_the_last_server_gets_the_request_however_many_refuse(dialect: str) -> None:
    with running(failing(401)) as refusing, running(failing(404)) as lost, own() as well:
        scorer = scorer_of(refusing.url, lost.url, well.url, max_retries=0, dialect=dialect)
        for _ in range(6):
            assert scorer.score(QUERY, ["red"]) == [0.5]


def test_all_refuse() -> None:
    with running(failing(401)) as one, running(failing(403)) as other:
        scorer = scorer_of(one.url, other.url)
        with pytest.raises(RemoteRejectedError, match="answered 40") as caught:
            scorer.score(QUERY, ["red"])
        assert caught.value.status in (401, 403)
        assert len(one.received) == len(other.received) == 1, "no server gets the request twice"
        for _ in range(2 * breaker.FAILURES):
            with pytest.raises(RemoteRejectedError) as caught:
                scorer.score(QUERY, ["red"])
        assert caught.value.status in (401, 403)
        assert len(one.received) == len(other.received) == breaker.FAILURES


@pytest.mark.parametrize("status", REFUSALS)
def test_the_refusal_of_a_lone_server_is_raised(status: int) -> None:
    with running(failing(status)) as server:
        scorer = scorer_of(server.url)
        for _ in range(breaker.FAILURES + 2):
            with pytest.raises(RemoteRejectedError, match=f"answered {status}") as caught:
                scorer.score(QUERY, ["red"])
            assert caught.value.status == status


def test_a_refusal_beside_an_outage_may_heal() -> None:
    """With one key revoked and the other server down, waiting may help."""
    with running(failing(401)) as refusing, running(failing(503)) as down:
        scorer = scorer_of(refusing.url, down.url)
        raised = []
        for _ in range(breaker.FAILURES + 2):
            with pytest.raises(ScorerUnavailableError, match="503") as caught:
                scorer.score(QUERY, ["red"])
            raised.append(caught.value)
        assert len(set(map(id, raised))) == len(raised), "no call's frames hang on another's error"


@pytest.mark.parametrize("first", [0, 1])
def test_the_server_that_may_heal_gets_the_request_again(first: int) -> None:
    with running(failing(401)) as refusing, running(failing(503, times=1)) as busy:
        urls = [refusing.url, busy.url]
        scorer = scorer_of(urls[first], urls[1 - first])
        assert scorer.score(QUERY, ["red"]) == [0.5]
        assert len(refusing.received) == 1
        assert len(busy.received) == 2


@pytest.mark.parametrize("status", [400, 422])
def test_a_request_that_is_refused_says_nothing_about_the_server(status: int) -> None:
    def answer(received: Received) -> Reply:
        return (status, {}) if "wrong" in received.documents else own_answer(received)

    with running(answer) as one, running(answer) as other:
        scorer = scorer_of(one.url, other.url)
        for _ in range(2 * breaker.FAILURES):
            with pytest.raises(RemoteRejectedError):
                scorer.score(QUERY, ["wrong"])
        assert len(one.received) == len(other.received) == breaker.FAILURES
        assert scorer.score(QUERY, ["red"]) == [0.5]


class Text(str):
    """A text that a weak reference can point to."""


def test_a_remembered_failure_keeps_no_document_alive() -> None:
    with running(failing(500)) as server:
        scorer = scorer_of(server.url, max_retries=0)
        document = Text("a long document")
        alive = weakref.ref(document)
        for _ in range(breaker.FAILURES):
            with pytest.raises(ScorerUnavailableError):
                scorer.score(QUERY, [document])
        del document
        gc.collect()
        assert alive() is None
        with pytest.raises(ScorerUnavailableError, match=r"last failure: .* answered 500"):
            scorer.score(QUERY, ["red"])


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_server_that_refuses_a_harmless_request_is_replaced(status: int) -> None:
    """As one that was started with another model's name does."""
    with running(failing(status)) as refusing, own() as well:
        scorer = RemoteScorer([refusing.url, well.url], "m", dialect="qwen-rerank")
        for _ in range(20):
            assert scorer.score(QUERY, ["red"]) == [0.5]
        assert len(refusing.received) == breaker.FAILURES


def test_a_lone_server_that_refuses_a_harmless_request_is_named() -> None:
    with running(failing(400)) as server:
        with pytest.raises(RemoteRejectedError, match="refuses a harmless request") as caught:
            RemoteScorer(server.url, "m").score(QUERY, ["red"])
        assert caught.value.status == 400


def test_a_refused_request_is_no_outage(caplog: pytest.LogCaptureFixture) -> None:
    """Some services refuse a query for its content."""

    def answer(received: Received) -> Reply:
        return (
            (400, {"error": "indecent"})
            if "bad" in received.body["query"]
            else own_answer(received)
        )

    with running(answer) as server:
        reranker = Reranker(scorer_of(server.url), on_error="original_order")
        for _ in range(3):
            assert reranker.rerank("bad", ["a"])[0].score is None
            assert reranker.rerank("good", ["a"])[0].score == 0
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
    assert all("answered 400" in record.getMessage() for record in caplog.records)
    assert reranker.calls_not_reranked == 3
