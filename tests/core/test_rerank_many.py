"""Bulk reranking gives what one call after another gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from qwen_rerank import LocalScorer, Reranker
from qwen_rerank.errors import (
    BadScoresError,
    InvalidInputError,
    ModelLoadError,
    ScorerError,
    ScorerUnavailableError,
)
from qwen_rerank.testing import FakeScorer
from qwen_rerank.types import BulkScorer, OnProgress, Scorer

QUERIES = ["red fox", "blue whale"]
DOCUMENTS = [["a fox", "a red fox", "a fox", "nothing"], ["whale", "blue whale"]]


class Bulk(FakeScorer):
    """A scorer that takes many queries at once."""

    bulk_calls = 0
    wrong: list[list[float]] | None = None

    def score_many(
        self,
        queries: Sequence[str],
        documents_per_query: Sequence[Sequence[str]],
        *,
        instruction: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[list[float]]:
        self.bulk_calls += 1
        pairs = zip(queries, documents_per_query, strict=True)
        return self.wrong or [self.score(q, d, instruction=instruction) for q, d in pairs]


@pytest.mark.parametrize("scorer", [FakeScorer(), Bulk()], ids=["in turn", "at once"])
@pytest.mark.parametrize("options", [{}, {"top_n": 1}, {"score_threshold": 0.6}])
def test_the_same_as_one_by_one(scorer: FakeScorer, options: dict[str, float]) -> None:
    reranker = Reranker(scorer, instruction="Find the animal")
    many = reranker.rerank_many(QUERIES, DOCUMENTS, **options)  # type: ignore[arg-type]
    for query, documents, results in zip(QUERIES, DOCUMENTS, many, strict=True):
        assert results == reranker.rerank(query, documents, **options)  # type: ignore[arg-type]
    assert scorer.calls[0] == ("red fox", ["a fox", "a red fox", "nothing"], "Find the animal")


def test_a_bulk_scorer_is_asked_once() -> None:
    scorer = Bulk()
    assert isinstance(scorer, BulkScorer)
    assert not isinstance(FakeScorer(), BulkScorer)
    assert isinstance(LocalScorer(), BulkScorer)
    Reranker(scorer).rerank_many(QUERIES, DOCUMENTS)
    assert scorer.bulk_calls == 1


def test_empty_lists() -> None:
    assert Reranker(FakeScorer()).rerank_many([], []) == []
    assert Reranker(FakeScorer()).rerank_many(["q", "r"], [[], ["a"]])[0] == []
    assert Reranker(Bulk()).rerank_many(["q", "r"], [[], ["a"]])[0] == []


def test_input_is_checked_before_anything_is_scored() -> None:
    scorer = FakeScorer()
    reranker = Reranker(scorer)
    wrong: list[tuple[Sequence[str], Sequence[Sequence[str]]]] = [
        (["q"], []),
        (["q", " "], [["a"], ["b"]]),
        (["q", "r"], [["a"], "b"]),
        ("qr", [["a"], ["b"]]),
    ]
    for queries, documents in wrong:
        with pytest.raises(InvalidInputError):
            reranker.rerank_many(queries, documents)
    with pytest.raises(InvalidInputError, match="top_n"):
        reranker.rerank_many(["q"], [["a"]], top_n=0)
    assert scorer.calls == []


@pytest.mark.parametrize("kind", [FakeScorer, Bulk])
def test_an_outage_keeps_the_original_order_or_raises(kind: type[FakeScorer]) -> None:
    scorer = kind(error=ScorerUnavailableError("gone"))
    kept = Reranker(scorer, on_error="original_order").rerank_many(QUERIES, DOCUMENTS, top_n=3)
    assert [[r.index for r in results] for results in kept] == [[0, 1, 2], [0, 1]]
    assert all(r.score is None and "gone" in str(r.not_reranked) for rs in kept for r in rs)
    with pytest.raises(ScorerUnavailableError, match="gone"):
        Reranker(scorer).rerank_many(QUERIES, DOCUMENTS)


@pytest.mark.parametrize("kind", [FakeScorer, Bulk])
def test_a_model_that_does_not_load_always_raises(kind: type[FakeScorer]) -> None:
    scorer = kind(error=ModelLoadError("no such model"))
    with pytest.raises(ModelLoadError):
        Reranker(scorer, on_error="original_order").rerank_many(QUERIES, DOCUMENTS)


@pytest.mark.parametrize("wrong", [[[0.5]], [[0.5] * 3, [0.5]], [[0.5, 2.0, 0.5], [0.1, 0.2]]])
def test_wrong_bulk_answers_are_refused(wrong: list[list[float]]) -> None:
    scorer: Scorer = Bulk()
    scorer.wrong = wrong  # type: ignore[attr-defined]
    with pytest.raises(BadScoresError):
        Reranker(scorer).rerank_many(QUERIES, DOCUMENTS)


def test_one_query_may_fail_alone_when_asked_in_turn() -> None:
    def fail(query: str, document: str) -> float:
        if "whale" in query:
            raise ScorerError("no whales")
        return 0.5

    reranker = Reranker(FakeScorer(fail), on_error="original_order")
    fox, whale = reranker.rerank_many(QUERIES, DOCUMENTS)
    assert all(r.score == 0.5 for r in fox)
    assert all(r.score is None for r in whale)


def test_progress_in_turn() -> None:
    told: list[tuple[int, int]] = []
    Reranker(FakeScorer()).rerank_many(
        QUERIES, DOCUMENTS, on_progress=lambda done, total: told.append((done, total))
    )
    assert told == [(3, 5), (5, 5)]


def test_the_local_scorer_in_bulk(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_rerank.scorers.local.scorer.QUERIES_AT_ONCE", 2)
    scorer = LocalScorer(str(tiny_model), device="cpu", dtype="float32", max_length=100)
    queries = [*QUERIES, "third", "fourth", "fifth"]
    documents = [*DOCUMENTS, ["long " * 200, "short"], [], ["x"]]
    told: list[tuple[int, int]] = []
    many = scorer.score_many(
        queries, documents, on_progress=lambda done, total: told.append((done, total))
    )
    for query, own, scores in zip(queries, documents, many, strict=True):
        alone = scorer.score(query, own)
        assert scores == pytest.approx(alone, abs=1e-5)
        assert scores.truncated == alone.truncated
    assert many[2].truncated == {0}
    assert told[-1] == (9, 9)
    assert told == sorted(told)
