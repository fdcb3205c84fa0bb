"""One document that a server does not take costs no other document its score."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from qwen_rerank import RemoteRejectedError, RemoteScorer, ScorerUnavailableError, load
from qwen_rerank.scorers import breaker
from tests.remote.fault_server import Received
from tests.remote.outcomes import cut, outcome_of, scores_of, values
from tests.remote.refusing_servers import (
    LIMIT,
    LONG,
    QUERY,
    TEI,
    TOO_LONG,
    WORSE,
    alone_and_in_a_fleet,
    null_for_blanks,
    refusing_blanks,
    refusing_long,
    requests_to,
    started,
)
from tests.remote.servers import Reply, Server, common_answer, own_answer, running, tei_answer

DOCUMENTS = ["red sea", "red wine", LONG, "blue sea"]

every_way = pytest.mark.parametrize("way", TOO_LONG)


def scorer_of(servers: list[Server], **options: Any) -> RemoteScorer:
    settings = {"dialect": "qwen-rerank", "canary": False, **options}
    return RemoteScorer([server.url for server in servers], "m", **settings)


@every_way
@alone_and_in_a_fleet
def test_a_document_that_is_too_long_is_cut_and_scored(way: str, servers: int) -> None:
    with ExitStack() as stack:
        fleet = started(stack, refusing_long(way), servers)
        scores = scores_of(scorer_of(fleet), QUERY, DOCUMENTS)
        assert values(scores) == [0.5, 1, 0.5, 0]
        assert cut(scores) == {2}
        assert requests_to(fleet) == 2


@every_way
@alone_and_in_a_fleet
def test_a_document_that_is_refused_at_any_length_has_no_score(way: str, servers: int) -> None:
    documents = ["red sea", "red wine", WORSE, "blue sea"]
    with ExitStack() as stack:
        fleet = started(stack, refusing_long(way), servers)
        scorer = scorer_of(fleet, max_retries=0)
        for number in range(breaker.FAILURES + 1):
            scores = scores_of(scorer, QUERY, documents)
            assert values(scores) == [0.5, 1, None, 0]
            assert "the server refuses the document" in str(scores.documents[2].reason)
            assert cut(scores) == set()
            assert requests_to(fleet) <= 3 * (number + 1)


@every_way
def test_several_long_documents_are_cut_at_once(way: str) -> None:
    documents = ["wine " * 600, "red wine", LONG, "wine " * 900, "blue sea"]
    with running(refusing_long(way)) as server:
        scores = scores_of(scorer_of([server]), QUERY, documents)
        assert values(scores) == [0.5, 1, 0.5, 0.5, 0]
        assert cut(scores) == {0, 2, 3}
        assert len(server.received) == 2


@every_way
def test_the_next_call_keeps_to_what_was_learned(way: str) -> None:
    with running(refusing_long(way)) as server:
        scorer = scorer_of([server])
        for _ in range(3):
            assert cut(scores_of(scorer, QUERY, DOCUMENTS)) == {2}
        assert len(server.received) == 4


def test_a_document_within_the_limit_that_llama_cpp_names_stays_whole() -> None:
    """Cutting to a guess of 512 tokens would cost it two thirds of its text."""
    documents = ["red sea", "wine " * 6000, "wine " * 1500]

    def answer(received: Received) -> Reply:
        given = max(len(text.split()) for text in received.documents)
        if given <= 4096:
            return own_answer(received)
        error = f"request ({given} tokens) exceeds the available context size (4096 tokens)"
        return 400, {"error": {"code": 400, "message": error}}

    with running(answer) as server:
        assert cut(scores_of(scorer_of([server]), QUERY, documents)) == {1}


def test_dense_text_is_cut_to_what_the_server_counts() -> None:
    """A token for each Chinese character: fewer bytes a token than in most texts."""

    def answer(received: Received) -> Reply:
        given = max(len(text) for text in received.documents)
        if given > LIMIT:
            return 413, {"error": TEI.format(given=given), "error_type": "Validation"}
        return own_answer(received)

    with running(answer) as server:
        scores = scores_of(scorer_of([server]), QUERY, ["red sea", "葡萄酒" * 1000])
        assert (values(scores), cut(scores)) == ([0.5, 0], {1})
        assert len(server.received) == 2
        assert len(server.received[1].documents[1]) > LIMIT / 2


@alone_and_in_a_fleet
@pytest.mark.parametrize("answer", [refusing_blanks, null_for_blanks])
@pytest.mark.parametrize("blank", ["", " \n"])
def test_a_blank_document_has_no_score(
    blank: str, answer: Callable[[Received], Reply], servers: int
) -> None:
    with ExitStack() as stack:
        fleet = started(stack, answer, servers)
        scorer = scorer_of(fleet, max_retries=0)
        for _ in range(breaker.FAILURES + 1):
            scores = scores_of(scorer, QUERY, ["red sea", blank, "red wine", "blue sea"])
            assert values(scores) == [0.5, None, 1, 0]
            assert scores.documents[1].reason
        assert requests_to(fleet) <= breaker.FAILURES + 1 + servers


def test_blank_documents_never_reach_a_server_that_is_known_to_refuse_them() -> None:
    with running(tei_answer) as server:
        scorer = scorer_of([server], dialect="tei")
        assert values(scores_of(scorer, QUERY, ["", "red", " "])) == [None, 0.5, None]
        assert values(scores_of(scorer, QUERY, ["", " "])) == [None, None]
        assert [received.documents for received in server.received] == [["red"]]


def test_a_server_that_takes_blank_documents_gets_them_after_another_refusal() -> None:
    def answer(received: Received) -> Reply:
        return (400, {}) if "bad" in received.body["query"] else own_answer(received)

    with running(answer) as server:
        scorer = scorer_of([server])
        assert isinstance(outcome_of(scorer, "bad", ["red", ""]), RemoteRejectedError)
        assert values(scores_of(scorer, QUERY, ["red", ""])) == [0.5, 0]


def test_a_text_with_few_tokens_does_not_lift_the_limit_for_others() -> None:
    few, many = "w" * 3000, "wine " * 700
    documents = ["red sea", few, many]
    with running(refusing_long("llama.cpp")) as server:
        scorer = scorer_of([server])
        assert cut(scores_of(scorer, QUERY, ["red sea", few])) == set()
        for _ in range(2):
            scores = scores_of(scorer, QUERY, documents)
            assert (values(scores), cut(scores)) == ([0.5, 0, 0.5], {2})
        assert len(server.received) == 4


def test_a_500_that_took_too_long_is_an_outage() -> None:
    with running(lambda received: (500, {"error": "the request took too long"})) as server:
        error = outcome_of(scorer_of([server], max_retries=0), QUERY, DOCUMENTS)
        assert isinstance(error, ScorerUnavailableError)


@pytest.mark.parametrize("number", ["9" * 400, "0", "-5", "1e9", ""])
def test_a_limit_that_makes_no_sense_does_no_harm(number: str) -> None:
    def answer(received: Received) -> Reply:
        if LONG in received.documents:
            return 400, {"error": f"maximum context length is {number}, given: {number}"}
        return own_answer(received)

    with running(answer) as server:
        scores = scores_of(scorer_of([server]), QUERY, DOCUMENTS)
        assert (values(scores), cut(scores)) == ([0.5, 1, 0.5, 0], {2})


def test_two_giants_beside_each_other_cost_only_their_own_scores() -> None:
    """A proxy says 413 and nothing else."""

    def answer(received: Received) -> Reply:
        return (413, {}) if sum(map(len, received.documents)) > 500 else own_answer(received)

    with running(answer) as server:
        scores = scores_of(scorer_of([server]), QUERY, ["red", "a" * 9000, "b" * 9000, "wine"])
        assert values(scores) == [0.5, None, None, 0.5]


def test_a_refusal_without_a_known_reason_stays_an_error() -> None:
    def answer(received: Received) -> Reply:
        return 400, {"error": "no such model"}

    with running(answer) as server:
        error = outcome_of(scorer_of([server]), QUERY, DOCUMENTS)
        assert isinstance(error, RemoteRejectedError)
        assert (error.status, len(server.received)) == (400, 1)


@every_way
def test_documents_that_are_all_refused_are_an_error(way: str) -> None:
    with running(refusing_long(way)) as server:
        error = outcome_of(scorer_of([server]), QUERY, [WORSE])
        assert isinstance(error, RemoteRejectedError)
        assert len(server.received) <= 3


def test_a_refused_last_batch_costs_only_its_own_documents() -> None:
    """A server with a limit of 32 documents gets the 33rd alone."""

    def answer(received: Received) -> Reply:
        if "é" in "".join(received.documents):
            return 413, {"error": TEI.format(given=900), "error_type": "Validation"}
        return tei_answer(received)

    with running(answer) as server:
        scores = scores_of(scorer_of([server], dialect="tei"), QUERY, ["red"] * 32 + [WORSE])
        assert values(scores) == [0.5] * 32 + [None]


@pytest.mark.parametrize("dialect", ["vllm", "llamacpp", "qwen-rerank"])
def test_max_length_holds_for_a_server_that_cuts_nothing(dialect: str) -> None:
    """Estimated: about 4 bytes a token."""
    answer = own_answer if dialect == "qwen-rerank" else common_answer
    with running(answer) as server:
        scorer = scorer_of([server], dialect=dialect, max_length=512)
        scores = scores_of(scorer, QUERY, ["red", "red " * 1000])
        assert cut(scores) == {1}
        assert 400 < len(server.received[0].documents[1]) <= 4 * 512


async def test_a_reranker_marks_what_was_cut() -> None:
    with running(refusing_long("llama.cpp")) as server:
        reranker = load(base_url=server.url, dialect="qwen-rerank", canary=False)
        results = await reranker.arerank(QUERY, DOCUMENTS)
        assert [r.index for r in results if r.truncated] == [2]
