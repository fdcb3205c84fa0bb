"""Scores are remembered by pair, for an hour, and never mixed up."""

from __future__ import annotations

import pickle
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_rerank import (
    BadScoresError,
    CachedScorer,
    DocumentScore,
    FallbackScorer,
    LocalScorer,
    ModelLoadError,
    RemoteScorer,
    Reranker,
    RerankRequest,
    ScorerUnavailableError,
    Scores,
)
from qwen_rerank.scorers.cached import pair_keys
from qwen_rerank.scorers.score_store import MemoryStore
from qwen_rerank.testing import FakeScorer
from tests.scorers.batches import Batches, Partly, cached, outcome_of, plain, requests

QUERIES = ["red fox", "blue whale", "red fox"]
DOCUMENTS = [["a fox", "a red fox"], ["whale", "blue whale"], ["a fox", "a red fox"]]
TEXTS = st.lists(st.text(min_size=1).filter(str.strip), min_size=4, max_size=4)


def test_only_new_pairs_are_scored() -> None:
    fake = FakeScorer()
    scorer = cached(fake)
    assert scorer.score("a b", ["a", "b a"]) == [0.5, 1]
    assert scorer.score("a b", ["c", "b a", "a", "c"]) == [0, 1, 0.5, 0]
    assert [documents for _, documents, _ in fake.calls] == [["a", "b a"], ["c"]]


def test_new_pairs_of_many_requests_are_scored_in_one_call() -> None:
    batches = Batches()
    scorer = cached(batches)
    scorer.score("red fox", ["a fox"])
    outcomes = scorer.score_batch(requests(QUERIES, DOCUMENTS))
    assert plain(outcomes) == [[0.5, 1.0]] * 3
    assert batches.batches[1:] == [[("red fox", ["a red fox"]), ("blue whale", DOCUMENTS[1])]]
    again = scorer.score_batch(requests(QUERIES, DOCUMENTS))
    assert plain(again) == plain(outcomes)
    assert not any(isinstance(outcome, Scores) and outcome.remembered for outcome in outcomes)
    assert all(isinstance(outcome, Scores) and outcome.remembered for outcome in again)
    assert len(batches.batches) == 2


def test_requests_without_documents_call_no_scorer() -> None:
    batches = Batches()
    assert cached(batches).score_batch([]) == []
    assert plain(cached(batches).score_batch(requests(["q", "r"], [[], []]))) == [[], []]
    assert batches.batches == []


def test_another_query_or_instruction_is_another_pair() -> None:
    fake = FakeScorer()
    scorer = cached(fake)
    for query, instruction in (("a", None), ("b", None), ("a", "Find"), ("a", "Find it")):
        scorer.score(query, ["d"], instruction=instruction)
        scorer.score(query, ["d"], instruction=instruction)
    assert len(fake.calls) == 4


@pytest.mark.parametrize(
    "other",
    [
        LocalScorer("other"),
        LocalScorer("m", dtype="bfloat16"),
        LocalScorer("m", max_length=99),
        RemoteScorer("http://a", "m"),
        RemoteScorer("http://b", "m"),
        RemoteScorer("http://a", "m", dialect="vllm"),
        RemoteScorer("http://a", "m", template="client"),
    ],
)
def test_scorers_that_may_score_differently_share_nothing(other: Any) -> None:
    request = RerankRequest("q", ["d"])
    assert pair_keys(repr(LocalScorer("m")), request) != pair_keys(repr(other), request)


@given(TEXTS, TEXTS)
def test_keys_are_equal_only_for_equal_texts(one: list[str], other: list[str]) -> None:
    assert (key(*one) == key(*other)) is (one == other)


def test_a_key_tells_where_a_text_ends() -> None:
    assert key("i", "t", "a", "bc") != key("i", "t", "ab", "c")
    assert key("i", "ta", "b", "c") != key("i", "t", "ab", "c")


def key(identity: str, instruction: str, query: str, document: str) -> tuple[bytes, ...]:
    return pair_keys(identity, RerankRequest(query, [document], instruction))


@pytest.mark.parametrize(("age", "calls"), [(3599, 1), (3600, 2)])
def test_scores_are_remembered_for_an_hour(
    monkeypatch: pytest.MonkeyPatch, age: float, calls: int
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    fake = FakeScorer()
    scorer = cached(fake, store=MemoryStore())
    scorer.score("a", ["a"])
    now[0] += age
    scorer.score("a", ["a"])
    assert len(fake.calls) == calls


def test_the_memory_store_has_a_maximum_size() -> None:
    fake = FakeScorer()
    scorer = cached(fake, store=MemoryStore(size=10))
    documents = [str(number) for number in range(25)]
    assert scorer.score("a", documents) == [0] * 25
    scorer.score("a", documents[-10:])
    assert len(fake.calls) == 1
    scorer.score("a", documents[:1])
    assert len(fake.calls) == 2


def test_a_remembered_score_says_whether_its_document_was_cut() -> None:
    scorer = cached(Partly())
    for documents in (["long", "b"], ["b", "c", "long"], ["c", "long"]):
        outcome = outcome_of(scorer, "q", documents)
        assert [d.truncated for d in outcome.documents] == ["long" in text for text in documents]


def test_documents_without_a_score_are_not_remembered() -> None:
    scorer = cached(Partly())
    for remembered in (False, False):
        outcome = outcome_of(scorer, "q", ["good", "bad"])
        assert outcome.documents == (DocumentScore(0.5), DocumentScore(None, "it is bad"))
        assert outcome.remembered is remembered
    assert outcome_of(scorer, "q", ["good"]).remembered


def test_failures_are_not_remembered() -> None:
    fake = FakeScorer(error=ScorerUnavailableError("down"))
    scorer = cached(fake)
    for _ in range(2):
        with pytest.raises(ScorerUnavailableError):
            scorer.score("a", ["a"])
    fake.error = None
    assert scorer.score("a", ["a"]) == [1]
    assert len(fake.calls) == 3


def test_a_failure_of_all_requests_is_the_outcome_of_each() -> None:
    batches = Batches(FakeScorer(error=ScorerUnavailableError("down")))
    scorer = cached(batches)
    outcomes = scorer.score_batch(requests(QUERIES, DOCUMENTS))
    assert [type(outcome) for outcome in outcomes] == [ScorerUnavailableError] * 3
    batches.fake.error = None
    assert plain(scorer.score_batch(requests(QUERIES, DOCUMENTS))) == [[0.5, 1.0]] * 3


def test_a_model_that_does_not_load_raises() -> None:
    broken = FakeScorer(error=ModelLoadError("no such model"))
    with pytest.raises(ModelLoadError):
        cached(broken).score_batch(requests(QUERIES, DOCUMENTS))


@pytest.mark.parametrize("invalid", [float("nan"), 7.0])
def test_invalid_scores_are_not_remembered(invalid: float) -> None:
    scorer = cached(FakeScorer(lambda query, text: invalid))
    for _ in range(2):
        with pytest.raises(BadScoresError):
            scorer.score("a", ["a"])


@pytest.mark.parametrize("invalid", [7.0, -0.1, float("nan"), float("inf"), None])
def test_an_invalid_score_in_a_store_counts_as_unknown(invalid: float | None) -> None:
    class Broken:
        def get(self, keys: Sequence[bytes]) -> dict[bytes, DocumentScore]:
            return {key: DocumentScore(invalid) for key in keys}

        def put(self, scores: Mapping[bytes, DocumentScore]) -> None:
            pass

    outcome = outcome_of(cached(FakeScorer(), store=Broken()), "a", ["a", "b"])
    assert [d.score for d in outcome.documents] == [1, 0]
    assert not outcome.remembered


def test_scores_of_two_models_never_mix() -> None:
    """Half of the pairs of the first model are remembered when it fails."""
    first, second = FakeScorer(lambda query, text: 0.9), FakeScorer(lambda query, text: 0.1)
    below = FallbackScorer(cached(first), cached(second, "second"))
    above = cached(FallbackScorer(first, second))
    for scorer in (below, above):
        first.error = None
        assert scorer.score("q", ["a", "b"]) == [0.9, 0.9]
        first.error = ScorerUnavailableError("down")
        outcome = outcome_of(scorer, "q", ["a", "b", "c"])
        assert [d.score for d in outcome.documents] == [0.1, 0.1, 0.1]
        assert outcome.fallback == "ScorerUnavailableError: down"
        first.error = None
        assert scorer.score("q", ["a", "b", "c"]) == [0.9, 0.9, 0.9]


def test_scores_of_two_models_never_mix_in_one_of_many_outcomes() -> None:
    first, second = FakeScorer(lambda query, text: 0.9), Batches(FakeScorer(lambda q, text: 0.1))
    scorer = cached(FallbackScorer(first, second))
    scorer.score("red fox", ["a fox"])
    first.error = ScorerUnavailableError("down")
    outcomes = scorer.score_batch(requests(QUERIES[:2], DOCUMENTS[:2]))
    assert plain(outcomes) == [[0.1, 0.1], [0.1, 0.1]]
    assert all(isinstance(outcome, Scores) and outcome.fallback for outcome in outcomes)
    first.error = None
    assert plain(scorer.score_batch(requests(QUERIES[:2], DOCUMENTS[:2]))) == [[0.9, 0.9]] * 2


def test_one_request_may_fail_alone() -> None:
    def no_whales(query: str, document: str) -> float:
        if "whale" in query:
            raise ScorerUnavailableError("no whales")
        return 0.5

    reranker = Reranker(cached(FakeScorer(no_whales)), on_error="original_order")
    fox, whale, again = reranker.rerank_many(QUERIES, DOCUMENTS)
    assert [r.score for r in [*fox, *again]] == [0.5] * 4
    assert [r.not_reranked for r in whale] == ["ScorerUnavailableError: no whales"] * 2
    assert reranker.calls_not_reranked == 1


def test_a_copy_starts_without_remembered_scores() -> None:
    scorer = CachedScorer(RemoteScorer("http://a"), MemoryStore(60, 5), "mine")
    assert pickle.loads(pickle.dumps(scorer)) == scorer


def test_a_remembered_outcome_ends_no_outage(caplog: pytest.LogCaptureFixture) -> None:
    """It says nothing about the server."""
    fake = FakeScorer()
    reranker = Reranker(cached(fake), on_error="original_order")
    reranker.rerank("hot", ["a"])
    fake.error = ScorerUnavailableError("down")
    for number in range(3):
        assert reranker.rerank(f"cold {number}", ["a"])[0].score is None
        assert reranker.rerank("hot", ["a"])[0].score == 0
    assert len(caplog.records) == 1
    fake.error = None
    reranker.rerank("another", ["a"])
    assert "after 3 calls" in caplog.records[-1].getMessage()
