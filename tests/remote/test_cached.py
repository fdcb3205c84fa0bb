"""Scores are remembered by pair, for an hour, and never mixed up."""

from __future__ import annotations

import pickle
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_rerank import (
    BadScoresError,
    CachedScorer,
    FallbackScorer,
    LocalScorer,
    RemoteScorer,
    Reranker,
    ScorerUnavailableError,
    Scores,
)
from qwen_rerank.pairs import pair_key
from qwen_rerank.scorers.cached import MemoryStore
from qwen_rerank.testing import FakeScorer


def cached(fake: Any, **options: Any) -> CachedScorer:
    return CachedScorer(fake, identity="fake", **options)


def test_only_what_is_new_is_scored() -> None:
    fake = FakeScorer()
    scorer = cached(fake)
    assert scorer.score("a b", ["a", "b a"]) == [0.5, 1]
    assert scorer.score("a b", ["c", "b a", "a", "c"]) == [0, 1, 0.5, 0]
    assert [documents for _, documents, _ in fake.calls] == [["a", "b a"], ["c"]]


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
    keys = {pair_key(repr(scorer), None, "q", "d") for scorer in (LocalScorer("m"), other)}
    assert len(keys) == 2


@given(st.lists(st.text(), min_size=4, max_size=4), st.lists(st.text(), min_size=4, max_size=4))
def test_keys_are_equal_only_for_equal_parts(one: list[str], other: list[str]) -> None:
    assert (pair_key(*one) == pair_key(*other)) is (one == other)
    assert pair_key("i", None, "a", "bc") != pair_key("i", None, "ab", "c")


@pytest.mark.parametrize(("age", "calls"), [(3599, 1), (3600, 2)])
def test_an_hour_is_an_hour(monkeypatch: pytest.MonkeyPatch, age: float, calls: int) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    fake = FakeScorer()
    scorer = cached(fake, store=MemoryStore())
    scorer.score("a", ["a"])
    now[0] += age
    scorer.score("a", ["a"])
    assert len(fake.calls) == calls


def test_the_size_is_bounded() -> None:
    fake = FakeScorer()
    scorer = cached(fake, store=MemoryStore(size=10))
    documents = [str(number) for number in range(25)]
    assert scorer.score("a", documents) == [0] * 25
    scorer.score("a", documents[-10:])
    assert len(fake.calls) == 1
    scorer.score("a", documents[:1])
    assert len(fake.calls) == 2


class Cutting:
    """Says that documents longer than one letter were cut."""

    def score(
        self, query: str, documents: Sequence[str], *, instruction: str | None = None
    ) -> Scores:
        cut = [i for i, text in enumerate(documents) if len(text) > 1]
        return Scores([0.5] * len(documents), truncated=cut)


def test_what_was_cut_is_remembered_too() -> None:
    scorer = cached(Cutting())
    assert scorer.score("q", ["aa", "b"]).truncated == {0}
    assert scorer.score("q", ["b", "c", "aa"]).truncated == {2}


def test_failures_are_not_remembered() -> None:
    fake = FakeScorer(error=ScorerUnavailableError("down"))
    scorer = cached(fake)
    for _ in range(2):
        with pytest.raises(ScorerUnavailableError):
            scorer.score("a", ["a"])
    fake.error = None
    assert scorer.score("a", ["a"]) == [1]
    assert len(fake.calls) == 3


@pytest.mark.parametrize("nonsense", [float("nan"), 7.0])
def test_nonsense_is_not_remembered(nonsense: float) -> None:
    scorer = cached(FakeScorer(lambda query, text: nonsense))
    for _ in range(2):
        with pytest.raises(BadScoresError):
            scorer.score("a", ["a"])


def test_scores_of_two_models_never_mix() -> None:
    """Half of the pairs are known of the first model when it falls out."""
    first, second = FakeScorer(lambda query, text: 0.9), FakeScorer(lambda query, text: 0.1)
    below = FallbackScorer(cached(first), CachedScorer(second, identity="second"))
    above = cached(FallbackScorer(first, second))
    for scorer in (below, above):
        first.error = None
        assert scorer.score("q", ["a", "b"]) == [0.9, 0.9]
        first.error = ScorerUnavailableError("down")
        scores = scorer.score("q", ["a", "b", "c"])
        assert scores == [0.1, 0.1, 0.1]
        assert scores.fallback == "ScorerUnavailableError: down"
        first.error = None
        assert scorer.score("q", ["a", "b", "c"]) == [0.9, 0.9, 0.9]


def test_it_copies_without_its_memory() -> None:
    scorer = CachedScorer(RemoteScorer("http://a"), MemoryStore(60, 5), "mine")
    assert pickle.loads(pickle.dumps(scorer)) == scorer


def test_the_fallback_is_told_in_the_ranking() -> None:
    scorer = FallbackScorer(FakeScorer(error=ScorerUnavailableError("down")), FakeScorer())
    results = Reranker(scorer, on_error="original_order").rerank("a", ["b", "a"])
    assert [(r.index, r.score, r.fallback) for r in results] == [
        (1, 1, "ScorerUnavailableError: down"),
        (0, 0, "ScorerUnavailableError: down"),
    ]


def test_an_outage_is_logged_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    first = FakeScorer(error=ScorerUnavailableError("down"))
    scorer = FallbackScorer(first, FakeScorer())
    for _ in range(3):
        scorer.score("a", ["a"])
    first.error = None
    scorer.score("a", ["a"])
    assert scorer.fallen_back == 3
    assert [record.getMessage() for record in caplog.records] == [
        "another model scores instead: down",
        "the first model scores again, after 3 calls",
    ]


@pytest.mark.parametrize("warm", [0, 1], ids=["first", "both"])
def test_a_remembered_answer_ends_no_outage(caplog: pytest.LogCaptureFixture, warm: int) -> None:
    """Hot queries come from memory, which says nothing about the server."""
    first, second = FakeScorer(), FakeScorer()
    scorer = FallbackScorer(cached(first), cached(second) if warm else second)
    scorer.score("hot", ["a"])
    first.error = ScorerUnavailableError("down")
    for number in range(3):
        assert scorer.score(f"cold {number * (1 - warm)}", ["a"]).fallback
        assert scorer.score("hot", ["a"]).remembered
        assert scorer.score("none", []) == []
    assert [r.getMessage() for r in caplog.records] == ["another model scores instead: down"]
    first.error = None
    scorer.score("another", ["a"])
    assert caplog.records[-1].getMessage() == "the first model scores again, after 3 calls"


def test_the_reranker_too_hears_of_no_recovery_from_memory(
    caplog: pytest.LogCaptureFixture,
) -> None:
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


def test_a_fallback_below_a_fallback_is_told_too() -> None:
    inner = FallbackScorer(FakeScorer(error=ScorerUnavailableError("down")), FakeScorer())
    assert FallbackScorer(inner, FakeScorer()).score("a", ["a"]).fallback
