"""Another scorer answers while the first one gives no scores."""

from __future__ import annotations

import pytest

from qwen_rerank import FallbackScorer, ModelLoadError, Reranker, ScorerUnavailableError
from qwen_rerank.testing import FakeScorer
from tests.scorers.batches import Batches, cached, outcome_of, requests

QUERIES = ["red fox", "blue whale", "red fox"]
DOCUMENTS = [["a fox", "a red fox"], ["whale", "blue whale"], ["a fox", "a red fox"]]


def no_whales(query: str, document: str) -> float:
    if "whale" in query:
        raise ScorerUnavailableError("no whales")
    return 0.5


def test_results_say_that_a_fallback_gave_the_scores() -> None:
    scorer = FallbackScorer(FakeScorer(error=ScorerUnavailableError("down")), FakeScorer())
    results = Reranker(scorer, on_error="original_order").rerank("a", ["b", "a"])
    assert [(r.index, r.score, r.fallback) for r in results] == [
        (1, 1, "ScorerUnavailableError: down"),
        (0, 0, "ScorerUnavailableError: down"),
    ]


def test_a_fallback_below_a_fallback_is_named_too() -> None:
    inner = FallbackScorer(FakeScorer(error=ScorerUnavailableError("down")), FakeScorer())
    assert outcome_of(FallbackScorer(inner, FakeScorer()), "a", ["a"]).fallback


def test_only_failed_requests_fall_back() -> None:
    first, second = FakeScorer(no_whales), Batches()
    scorer = FallbackScorer(first, second)
    fox, whale, again = Reranker(scorer).rerank_many(QUERIES, DOCUMENTS)
    assert [r.fallback for r in [*fox, *again]] == [None] * 4
    assert [r.fallback for r in whale] == ["ScorerUnavailableError: no whales"] * 2
    assert second.batches == [[("blue whale", ["whale", "blue whale"])]]
    assert scorer.fallen_back == 1


def test_one_request_may_fail_alone() -> None:
    fake = FakeScorer(no_whales)
    reranker = Reranker(FallbackScorer(fake, fake), on_error="original_order")
    fox, whale, again = reranker.rerank_many(QUERIES, DOCUMENTS)
    assert [r.score for r in [*fox, *again]] == [0.5] * 4
    assert [r.not_reranked for r in whale] == ["ScorerUnavailableError: no whales"] * 2
    assert reranker.calls_not_reranked == 1


def test_batches_pass_through_the_fallback_and_the_cache() -> None:
    first, second = Batches(), Batches()
    reranker = Reranker(FallbackScorer(cached(first), cached(second)))
    many = reranker.rerank_many(QUERIES, DOCUMENTS)
    assert [[r.index for r in results] for results in many] == [[1, 0]] * 3
    assert [[query for query, _ in batch] for batch in first.batches] == [QUERIES[:2]]
    reranker.rerank_queries(["red fox", "fox", "vixen"], DOCUMENTS[0])
    assert [[query for query, _ in batch] for batch in first.batches[1:]] == [["fox", "vixen"]]
    assert second.batches == []


def test_requests_without_documents_call_no_fallback() -> None:
    batches = Batches()
    assert FallbackScorer(batches, batches).score_batch([]) == []


def test_a_model_that_does_not_load_raises() -> None:
    broken = FakeScorer(error=ModelLoadError("no such model"))
    with pytest.raises(ModelLoadError):
        FallbackScorer(broken, Batches()).score_batch(requests(QUERIES, DOCUMENTS))


def test_a_fallback_that_does_not_load_leaves_the_first_scorers_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    down = FakeScorer(error=ScorerUnavailableError("nobody answers"))
    broken = FakeScorer(error=ModelLoadError("no such model"))
    reranker = Reranker(FallbackScorer(down, broken), on_error="original_order")
    for _ in range(2):
        results = reranker.rerank("fox", ["a", "red fox"])
        assert [result.index for result in results] == [0, 1]
        assert "nobody answers" in str(results[0].not_reranked)
    assert caplog.text.count("no such model") == 1


def test_a_fallback_that_does_not_load_is_logged_once_above_one_that_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    down = FakeScorer(error=ScorerUnavailableError("nobody answers"))
    broken = FakeScorer(error=ModelLoadError("no such model"))
    reranker = Reranker(FallbackScorer(down, broken, FakeScorer()))
    for _ in range(2):
        assert reranker.rerank("red fox", ["a", "red fox"])[0].index == 1
    assert caplog.text.count("fallback 1 does not load: no such model") == 1
    broken.error = None
    reranker.rerank("red fox", ["a", "red fox"])
    assert "fallback 1 loads, after 2 calls" in caplog.text


def test_an_outage_is_logged_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    first = FakeScorer(error=ScorerUnavailableError("down"))
    scorer = FallbackScorer(first, FakeScorer())
    for _ in range(3):
        scorer.score("a", ["a"])
    first.error = None
    scorer.score("a", ["a"])
    assert scorer.fallen_back == 3
    assert [record.getMessage() for record in caplog.records] == [
        "a fallback is asked instead: down",
        "the first model scores again, after 3 calls",
    ]


@pytest.mark.parametrize("both", [False, True], ids=["the first is cached", "both are cached"])
def test_a_remembered_outcome_ends_no_outage(caplog: pytest.LogCaptureFixture, both: bool) -> None:
    """It comes from memory, which says nothing about the server."""
    first, second = FakeScorer(), FakeScorer()
    scorer = FallbackScorer(cached(first), cached(second) if both else second)
    scorer.score("hot", ["a"])
    first.error = ScorerUnavailableError("down")
    for number in range(3):
        assert outcome_of(scorer, "cold" if both else f"cold {number}", ["a"]).fallback
        assert outcome_of(scorer, "hot", ["a"]).remembered
        assert scorer.score("none", []) == []
    assert [r.getMessage() for r in caplog.records] == ["a fallback is asked instead: down"]
    first.error = None
    scorer.score("another", ["a"])
    assert caplog.records[-1].getMessage() == "the first model scores again, after 3 calls"
