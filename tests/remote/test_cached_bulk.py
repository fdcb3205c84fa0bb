"""Many queries in one call, through the cache and through the fallback."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from qwen_rerank import (
    CachedScorer,
    FallbackScorer,
    ModelLoadError,
    Reranker,
    ScorerError,
    ScorerUnavailableError,
    Scores,
)
from qwen_rerank.testing import FakeScorer
from qwen_rerank.types import BulkScorer, OnProgress

QUERIES = ["red fox", "blue whale", "red fox"]
DOCUMENTS = [["a fox", "a red fox"], ["whale", "blue whale"], ["a fox", "a red fox"]]
FOX, WHALE = [0.5, 1.0], [0.5, 1.0]


@dataclass
class Bulk(FakeScorer):
    """Takes many queries at once, and remembers which."""

    asked: list[tuple[list[str], list[list[str]]]] = field(default_factory=list)

    def score_many(
        self,
        queries: Sequence[str],
        documents_per_query: Sequence[Sequence[str]],
        *,
        instruction: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[Scores]:
        self.asked.append((list(queries), list(map(list, documents_per_query))))
        pairs = zip(queries, documents_per_query, strict=True)
        scores = [
            Scores(self.score(q, d, instruction=instruction), truncated=[0]) for q, d in pairs
        ]
        if on_progress is not None:
            total = sum(map(len, documents_per_query))
            on_progress(total, total)
        return scores


def cached(scorer: FakeScorer, identity: str = "fake") -> CachedScorer:
    return CachedScorer(scorer, identity=identity)


def no_whales(query: str, document: str) -> float:
    if "whale" in query:
        raise ScorerUnavailableError("no whales")
    return 0.5


def test_both_take_many_queries() -> None:
    assert isinstance(cached(FakeScorer()), BulkScorer)
    assert isinstance(FallbackScorer(FakeScorer(), FakeScorer()), BulkScorer)


def test_only_what_is_new_is_asked_in_one_call() -> None:
    bulk = Bulk()
    scorer = cached(bulk)
    scorer.score("red fox", ["a fox"], instruction="Find it")
    many = scorer.score_many(QUERIES, DOCUMENTS, instruction="Find it")
    assert many == [FOX, WHALE, FOX]
    assert bulk.asked[1:] == [(["red fox", "blue whale"], [["a red fox"], ["whale", "blue whale"]])]
    assert [one.truncated for one in many if isinstance(one, Scores)] == [{0, 1}, {0}, {0, 1}]
    again = scorer.score_many(QUERIES, DOCUMENTS, instruction="Find it")
    assert again == many
    assert all(isinstance(one, Scores) and one.remembered for one in again)
    assert len(bulk.asked) == 2


def test_no_queries_and_no_documents_ask_nobody() -> None:
    bulk = Bulk()
    assert cached(bulk).score_many([], []) == []
    assert cached(bulk).score_many(["q", "r"], [[], []]) == [[], []]
    assert FallbackScorer(bulk, bulk).score_many([], []) == []
    assert bulk.calls == []


def test_the_reranker_passes_bulk_calls_through_both() -> None:
    first, second = Bulk(), Bulk()
    reranker = Reranker(FallbackScorer(cached(first), cached(second)))
    many = reranker.rerank_many(QUERIES, DOCUMENTS)
    assert [[r.index for r in results] for results in many] == [[1, 0]] * 3
    assert [queries for queries, _ in first.asked] == [["red fox", "blue whale"]]
    reranker.rerank_queries(["red fox", "fox", "vixen"], DOCUMENTS[0])
    assert [queries for queries, _ in first.asked][1:] == [["fox", "vixen"]]
    assert second.asked == []


def test_the_fallback_answers_only_what_the_first_could_not() -> None:
    first, second = FakeScorer(no_whales), Bulk()
    scorer = FallbackScorer(first, second)
    fox, whale, again = Reranker(scorer).rerank_many(QUERIES, DOCUMENTS)
    assert [r.fallback for r in [*fox, *again]] == [None] * 4
    assert [r.fallback for r in whale] == ["ScorerUnavailableError: no whales"] * 2
    assert second.asked == [(["blue whale"], [["whale", "blue whale"]])]
    assert scorer.fallen_back == 1


@pytest.mark.parametrize("wrap", [cached, lambda fake: FallbackScorer(fake, fake)])
def test_one_query_may_fail_alone(wrap: type[CachedScorer]) -> None:
    reranker = Reranker(wrap(FakeScorer(no_whales)), on_error="original_order")
    fox, whale, again = reranker.rerank_many(QUERIES, DOCUMENTS)
    assert [r.score for r in [*fox, *again]] == [0.5] * 4
    assert [r.not_reranked for r in whale] == ["ScorerUnavailableError: no whales"] * 2
    assert reranker.calls_not_reranked == 1


def test_a_failure_of_all_is_told_for_each_and_not_remembered() -> None:
    bulk = Bulk(error=ScorerUnavailableError("down"))
    scorer = cached(bulk)
    assert all(isinstance(one, ScorerError) for one in scorer.score_many(QUERIES, DOCUMENTS))
    bulk.error = None
    assert scorer.score_many(QUERIES, DOCUMENTS) == [FOX, WHALE, FOX]


def test_a_model_that_does_not_load_raises() -> None:
    broken = Bulk(error=ModelLoadError("no such model"))
    for scorer in (cached(broken), FallbackScorer(broken, Bulk())):
        with pytest.raises(ModelLoadError):
            scorer.score_many(QUERIES, DOCUMENTS)


def test_scores_of_two_models_never_mix_in_one_answer() -> None:
    """What is known of the first model is not put beside the second one's scores."""
    first, second = FakeScorer(lambda query, text: 0.9), Bulk(lambda query, text: 0.1)
    scorer = CachedScorer(FallbackScorer(first, second), identity="both")
    scorer.score("red fox", ["a fox"])
    first.error = ScorerUnavailableError("down")
    fox, whale = scorer.score_many(QUERIES[:2], DOCUMENTS[:2])
    assert (fox, whale) == ([0.1, 0.1], [0.1, 0.1])
    assert isinstance(fox, Scores)
    assert fox.fallback == "ScorerUnavailableError: down"
    first.error = None
    assert scorer.score_many(QUERIES[:2], DOCUMENTS[:2]) == [[0.9, 0.9]] * 2


@pytest.mark.parametrize("kind", [FakeScorer, Bulk])
def test_progress_counts_every_document_once_and_never_goes_back(kind: type[FakeScorer]) -> None:
    def progress(scorer: CachedScorer | FallbackScorer) -> list[tuple[int, int]]:
        told: list[tuple[int, int]] = []
        scorer.score_many(
            QUERIES, DOCUMENTS, on_progress=lambda done, total: told.append((done, total))
        )
        assert told == sorted(set(told))
        return told

    scorer = cached(kind())
    scorer.score("blue whale", ["whale"])
    assert progress(scorer)[-1] == (6, 6)
    assert progress(scorer) == [(6, 6)]
    assert progress(FallbackScorer(FakeScorer(no_whales), kind()))[-1] == (6, 6)


def test_bulk_calls_wait_for_what_others_are_asking() -> None:
    started, goes_on = threading.Event(), threading.Event()

    def slow(query: str, document: str) -> float:
        if query == "red fox":
            started.set()
            assert goes_on.wait(20)
        return 0.5

    bulk = Bulk(slow)
    scorer = cached(bulk)
    with ThreadPoolExecutor(2) as pool:
        alone = pool.submit(scorer.score, "red fox", DOCUMENTS[0])
        assert started.wait(20)
        many = pool.submit(scorer.score_many, QUERIES, DOCUMENTS)
        while len(bulk.asked) < 2:
            threading.Event().wait(0.01)
        goes_on.set()
        assert alone.result(20) == [0.5, 0.5]
        assert many.result(20) == [[0.5, 0.5]] * 3
    assert [queries for queries, _ in bulk.asked] == [["red fox"], ["blue whale"]]
