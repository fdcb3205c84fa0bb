"""A server whose scores mean nothing is an error that names the likely cause and the remedy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from qwen_rerank import BadScoresError, RemoteRejectedError, RemoteScorer, Reranker
from qwen_rerank.scorers import breaker
from qwen_rerank.scorers.remote import canary
from tests.remote.fault_server import Received
from tests.remote.servers import Reply, at, common_answer, own, running

QWEN = "Qwen/Qwen3-Reranker-0.6B"
LONDON, PARIS, BERLIN, RECIPE = range(4)

WRONG = {
    "no template: London first": ([0.851, 0.80, 0.83, 0.56], canary.WRONG_ORDER),
    "no <think> block": ([0.02, 0.798, 0.01, 0.001], canary.UNSURE),
    "no template: all high": ([0.886, 0.988, 0.91, 0.558], canary.UNSURE),
    "empty prompt": ([0.31, 0.31, 0.31, 0.31], canary.EQUAL),
    "empty prompt, bf16": ([0.312, 0.3125, 0.311, 0.312], canary.EQUAL),
    "8B with lost weights": ([0.5, 0.5, 0.5, 0.5], canary.EQUAL),
    "dead GGUF": ([1e-20, 1e-23, 1e-26, 1e-28], canary.DEAD),
    "all zero": ([0.0, 0.0, 0.0, 0.0], canary.DEAD),
    "double sigmoid": ([0.502, 0.731, 0.501, 0.5], canary.DOUBLE_SIGMOID),
}


@pytest.mark.parametrize(("scores", "problem"), WRONG.values(), ids=WRONG)
def test_verdicts_for_qwen3(scores: Sequence[float], problem: str) -> None:
    assert canary.verdict(scores, qwen3=True) == problem


@pytest.mark.parametrize("scores", [[0.0072, 0.9971, 0.003, 0.0], [0.3, 0.995, 0.2, 1e-5]])
def test_a_healthy_qwen3_passes(scores: Sequence[float]) -> None:
    assert canary.verdict(scores, qwen3=True) is None


@pytest.mark.parametrize(
    ("scores", "problem"),
    [
        ([0.6, 0.7, 0.5, 0.2], None),
        ([0.05, 0.04, 0.03, 0.01], None),
        ([0.3, 0.3, 0.3, 0.3], canary.EQUAL),
        ([0.2, 0.3, 0.2, 0.4], canary.MEANINGLESS),
        ([0.51, 0.73, 0.5, 0.5], canary.DOUBLE_SIGMOID),
    ],
)
def test_another_model_only_has_to_follow_the_texts(
    scores: Sequence[float], problem: str | None
) -> None:
    assert canary.verdict(scores, qwen3=False) == problem


def scoring(scores: Sequence[float]) -> Reply:
    results = [{"index": i, "relevance_score": s} for i, s in enumerate(scores)]
    return 200, {"results": results}


@pytest.mark.parametrize("dialect", ["auto", "vllm"])
@pytest.mark.parametrize(("scores", "problem"), WRONG.values(), ids=WRONG)
def test_the_error_names_cause_and_server(
    dialect: str, scores: Sequence[float], problem: str
) -> None:
    with running(lambda received: scoring(scores)) as server:
        scorer = RemoteScorer(server.url, QWEN, dialect=dialect)
        with pytest.raises(BadScoresError) as caught:
            scorer.score("q", ["a", "b"])
        assert server.url in str(caught.value)
        assert problem in str(caught.value)
        assert [received.body["query"] for received in server.received] == [canary.QUERY]
        assert [checkup.problem for checkup in scorer.check()] == [problem]


def test_the_canary_can_be_switched_off() -> None:
    with running(lambda received: scoring([0.5] * len(received.documents))) as server:
        for dialect in ("auto", "vllm"):
            scorer = RemoteScorer(server.url, QWEN, dialect=dialect, canary=False)
            assert scorer.score("q", ["a", "b"]) == [0.5, 0.5]


def test_the_canary_is_checked_once_and_again_after_an_outage(
    later: Callable[[float], None],
) -> None:
    right = [0.01, 0.99, 0.01, 0.0]
    state = {"scores": WRONG["dead GGUF"][0]}

    def answer(received: Received) -> Reply:
        is_canary = received.body["query"] == canary.QUERY
        return scoring(state["scores"] if is_canary else [0.5] * len(received.documents))

    with running(answer) as server:
        reranker = Reranker(
            RemoteScorer(server.url, QWEN, dialect="vllm"), on_error="original_order"
        )
        reasons = {reranker.rerank("q", ["a", "b"])[0].not_reranked for _ in range(3)}
        assert len(server.received) == 1, "not for every call of an outage"
        assert all(reason and canary.DEAD in reason for reason in reasons)
        state["scores"] = right

        later(breaker.REST_SECONDS)
        assert reranker.rerank("q", ["a", "b"])[0].score == 0.5
        reranker.rerank("q", ["a", "c"])
        assert [received.body["query"] == canary.QUERY for received in server.received] == [
            True,
            True,
            False,
            False,
        ]


def test_our_own_server_may_hold_a_model_of_another_name() -> None:
    """It names its model itself and applies its template: its scores only have to make sense."""
    with own() as server:
        assert RemoteScorer(server.url, QWEN).score("red wine", ["red"]) == [0.5]


def test_another_server_with_qwen3s_name_is_compared_with_qwen3s_scores() -> None:
    with running(at({"/rerank": common_answer})) as server:
        with pytest.raises(BadScoresError, match="not those of the model"):
            RemoteScorer(server.url, QWEN).score("red wine", ["red"])
        assert RemoteScorer(server.url, "acme/reranker").score("red wine", ["red"]) == [0.5]


def test_the_right_answer_is_not_first_by_place() -> None:
    assert canary.DOCUMENTS[PARIS].startswith("Paris")
    assert canary.DOCUMENTS[RECIPE].startswith("Stir")


@pytest.mark.parametrize("refusal", [None, 400])
def test_calls_that_wait_for_the_canary_get_its_error(refusal: int | None) -> None:
    """Else many calls at once would do one handshake each, one after the other."""

    def answer(received: Received) -> Reply:
        return (refusal, {}) if refusal else scoring([0.5] * len(received.documents))

    with running(answer, seconds=2) as server:  # all are there before the first reply
        scorer = RemoteScorer(server.url, QWEN, dialect="vllm", timeout=20)
        with ThreadPoolExecutor(20) as pool:
            calls = [pool.submit(scorer.score, "q", [str(number)]) for number in range(20)]
            errors = [call.exception() for call in calls]
        wanted = RemoteRejectedError if refusal else BadScoresError
        assert all(isinstance(error, wanted) for error in errors)
        assert len(server.received) == 1
        assert len(set(map(id, errors))) == len(errors), "no call's frames hang on another's error"
