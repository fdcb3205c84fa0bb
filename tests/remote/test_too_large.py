"""Requests that a server finds too large: split, and not sent in that size again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from qwen_rerank import RemoteRejectedError
from qwen_rerank.scorers import breaker
from tests.remote.fault_server import Received
from tests.remote.outcomes import scores_of, values
from tests.remote.servers import Reply, Server, own_answer, running, tei
from tests.remote.test_fleet import QUERY, failing, scorer_of


def test_batches_keep_to_the_servers_limit() -> None:
    documents = [f"red {number}" for number in range(100)]
    with tei() as server:
        scores = scorer_of(server.url, dialect="tei").score(QUERY, documents)
        assert scores == [0.5] * 100
        assert [len(received.documents) for received in server.received] == [32, 32, 32, 4]


def test_a_batch_that_is_too_large_is_halved_until_it_fits() -> None:
    """413 for bytes, 422 for counts: each document is scored once and keeps its place."""

    def answer(received: Received) -> Reply:
        if len(received.documents) > 7:
            return 422, {"error": "batch size 8 > maximum allowed batch size 7"}
        if sum(map(len, received.documents)) > 50:
            return 413, "length limit exceeded"
        return own_answer(received)

    documents = [f"red {'wine ' * (number % 2)}{number}" for number in range(41)]
    with running(answer) as server:
        scores = scorer_of(server.url).score(QUERY, documents)
        assert scores == [0.5 + 0.5 * (number % 2) for number in range(41)]
        answered = [
            text
            for received in server.received
            if answer(received)[0] == 200
            for text in received.documents
        ]
        assert Counter(answered) == Counter(documents)


@pytest.mark.parametrize("documents", [["a"], ["a", "b", "c"]])
def test_a_server_that_refuses_every_size_is_an_error(documents: list[str]) -> None:
    with running(failing(413)) as server:
        with pytest.raises(RemoteRejectedError, match="answered 413") as caught:
            scorer_of(server.url).score(QUERY, documents)
        assert caught.value.status == 413


def test_a_server_that_refuses_every_size_is_not_sent_every_document() -> None:
    with running(failing(413)) as server:
        with pytest.raises(RemoteRejectedError, match="answered 413"):
            scorer_of(server.url).score(QUERY, [f"red {number}" for number in range(100)])
        assert len(server.received) < 12


def by(answers: list[Callable[[Received], Reply]]) -> Callable[[Received], Reply]:
    """The list's answer at that moment: a test changes it."""

    def answer(received: Received) -> Reply:
        return answers[0](received)

    return answer


def sizes(server: Server) -> list[int]:
    """How many documents each request held since the last look."""
    counts = [len(received.documents) for received in server.received]
    server.received.clear()
    return counts


def taking(max_documents: int = 1000, max_bytes: int = 1 << 30) -> Callable[[Received], Reply]:
    def answer(received: Received) -> Reply:
        if len(received.documents) > max_documents:
            return 422, {"error": f"batch size over the maximum of {max_documents}"}
        if len("".join(received.documents)) > max_bytes:
            return 413, {"error": "Content Too Large"}
        return own_answer(received)

    return answer


@pytest.mark.parametrize("limit", [{"max_documents": 7}, {"max_bytes": 7 * 6}])
def test_the_next_call_keeps_to_what_was_learned(limit: dict[str, int]) -> None:
    documents = [f"red {number}" for number in range(10, 50)]
    with running(taking(**limit)) as server:
        scorer = scorer_of(server.url)
        assert scorer.score(QUERY, documents) == [0.5] * 40
        assert sizes(server)[0] == 40
        for _ in range(2):
            assert scorer.score(QUERY, documents) == [0.5] * 40
            counts = sizes(server)
            assert max(counts) <= 7
            assert sum(counts) == 40, "nothing was refused"
        assert len(counts) <= 8


def test_one_giant_document_makes_no_small_batches_of_others() -> None:
    small = [f"red {number}" for number in range(10, 50)]
    with running(taking(max_bytes=5000)) as server:
        scorer = scorer_of(server.url)
        documents = [*small[:20], "red " * 5000, *small[20:]]
        scores = values(scores_of(scorer, QUERY, documents))
        assert scores[:20] + scores[21:] == [0.5] * 40
        assert len(server.received) <= 3
        sizes(server)
        assert scorer.score(QUERY, small) == [0.5] * 40
        assert sizes(server) == [40]


def test_a_server_that_refused_everything_is_not_remembered_as_small() -> None:
    documents = [f"red {number}" for number in range(40)]
    answers = [failing(413)]
    with running(by(answers)) as server:
        scorer = scorer_of(server.url)
        with pytest.raises(RemoteRejectedError):
            scorer.score(QUERY, documents)
        sizes(server)
        answers[0] = own_answer
        assert scorer.score(QUERY, documents) == [0.5] * 40
        assert sizes(server) == [40]


def test_what_was_learned_is_forgotten_with_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes back may be another server."""
    monkeypatch.setattr(breaker, "REST_SECONDS", 0.0)
    documents = [f"red {number}" for number in range(40)]
    answers = [taking(max_documents=7)]
    with running(by(answers)) as server:
        scorer = scorer_of(server.url, max_retries=0)
        scorer.score(QUERY, documents)
        answers[0] = failing(503)
        for _ in range(breaker.FAILURES):
            with pytest.raises(Exception, match="answered 503"):
                scorer.score(QUERY, documents)
        sizes(server)
        answers[0] = own_answer
        assert scorer.score(QUERY, documents) == [0.5] * 40
        assert sizes(server) == [40]


def test_one_long_document_sets_no_limit_for_batches() -> None:
    """Some servers say 413 to one text that is longer than the model takes."""

    def answer(received: Received) -> Reply:
        return (
            (413, "too long") if max(map(len, received.documents)) > 500 else own_answer(received)
        )

    small = [f"red {number:090}" for number in range(40)]
    with running(answer) as server:
        scorer = scorer_of(server.url)
        scores = values(scores_of(scorer, QUERY, [*small[:3], "red " * 500]))
        assert scores == [0.5, 0.5, 0.5, None]
        sizes(server)
        assert scorer.score(QUERY, small) == [0.5] * 40
        assert sizes(server) == [40]


def test_our_own_server_limits_the_number_of_documents() -> None:
    def answer(received: Received) -> Reply:
        count = len(received.documents)
        if count > 30:
            return 413, {"detail": f"{count} documents, and 30 is the most: send them in several"}
        return own_answer(received)

    with running(answer) as server:
        scorer = scorer_of(server.url)
        scorer.score(QUERY, [f"red {number}" for number in range(40)])
        sizes(server)
        scorer.score(QUERY, ["red " * 500] * 20)
        assert sizes(server) == [20]


def test_the_limit_counts_the_query() -> None:
    def answer(received: Received) -> Reply:
        size = len(received.body["query"]) + sum(map(len, received.documents))
        return (413, {}) if size > 1000 else own_answer(received)

    documents = ["red wine " * 10] * 10
    with running(answer) as server:
        scorer = scorer_of(server.url)
        scorer.score("red " * 180, documents)
        sizes(server)
        scorer.score(QUERY, documents)
        assert max(sizes(server)) > 3, "a short query leaves room for more"


def test_what_was_learned_is_tried_again_after_a_while(later: Callable[[float], None]) -> None:
    documents = [f"red {number}" for number in range(40)]
    answers = [taking(max_documents=7)]
    with running(by(answers)) as server:
        scorer = scorer_of(server.url)
        scorer.score(QUERY, documents)
        answers[0] = own_answer
        sizes(server)
        scorer.score(QUERY, documents)
        assert max(sizes(server)) <= 7
        later(61)
        scorer.score(QUERY, documents)
        assert sizes(server) == [40]
