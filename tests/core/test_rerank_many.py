"""Bulk reranking gives what one call after another gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from qwen_rerank import BatchScorer, DocumentScore, LocalScorer, Reranker, RerankRequest, Scores
from qwen_rerank.errors import (
    InvalidInputError,
    ModelLoadError,
    ScorerError,
    ScorerUnavailableError,
)
from qwen_rerank.testing import FakeScorer, word_overlap
from qwen_rerank.types import Outcome

QUERIES = ["red fox", "blue whale"]
DOCUMENTS = [["a fox", "a red fox", "a fox", "nothing"], ["whale", "blue whale"]]


@dataclass
class Batches(BatchScorer):
    """Scores words in common, all requests in one call."""

    error: ScorerError | None = None
    calls: list[tuple[str, list[str], str | None]] = field(default_factory=list)
    batches: int = 0

    def score_batch(self, requests: Sequence[RerankRequest]) -> list[Outcome]:
        self.batches += 1
        self.calls += [(r.query, list(r.documents), r.instruction) for r in requests]
        if isinstance(self.error, ModelLoadError):
            raise self.error
        return [
            self.error or Scores.of(word_overlap(r.query, d) for d in r.documents) for r in requests
        ]


@pytest.mark.parametrize("scorer", [FakeScorer(), Batches()], ids=["in turn", "in a batch"])
@pytest.mark.parametrize("options", [{}, {"top_n": 1}, {"score_threshold": 0.6}])
def test_the_same_as_one_by_one(scorer: FakeScorer | Batches, options: dict[str, float]) -> None:
    reranker = Reranker(scorer, instruction="Find the animal")
    many = reranker.rerank_many(QUERIES, DOCUMENTS, **options)  # type: ignore[arg-type]
    for query, documents, results in zip(QUERIES, DOCUMENTS, many, strict=True):
        assert results == reranker.rerank(query, documents, **options)  # type: ignore[arg-type]
    assert scorer.calls[0] == ("red fox", ["a fox", "a red fox", "nothing"], "Find the animal")


def test_a_batch_scorer_gets_all_queries_in_one_call() -> None:
    scorer = Batches()
    Reranker(scorer).rerank_many(QUERIES, DOCUMENTS)
    assert scorer.batches == 1
    assert isinstance(LocalScorer(), BatchScorer)


def test_a_document_without_a_score_stands_last_with_its_reason() -> None:
    class Partly(Batches):
        def score_batch(self, requests: Sequence[RerankRequest]) -> list[Outcome]:
            bad, good = DocumentScore(None, "too long"), DocumentScore(0.5)
            return [Scores((bad, good, bad, good)) for _ in requests]

    results = Reranker(Partly()).rerank("q", list("abcd"))
    assert [r.index for r in results] == [1, 3, 0, 2]
    assert [(r.score, r.not_reranked) for r in results[2:]] == [(None, "too long")] * 2
    kept = Reranker(Partly()).rerank("q", list("abcd"), score_threshold=0.1)
    assert [r.index for r in kept] == [1, 3]
    with pytest.raises(ScorerError, match=r"documents\[0\] has no score: too long"):
        Partly().score("q", list("abcd"))


def test_empty_lists() -> None:
    assert Reranker(FakeScorer()).rerank_many([], []) == []
    assert Reranker(FakeScorer()).rerank_many(["q", "r"], [[], ["a"]])[0] == []
    assert Reranker(Batches()).rerank_many(["q", "r"], [[], ["a"]])[0] == []


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


@pytest.mark.parametrize("kind", [FakeScorer, Batches])
def test_an_outage_keeps_the_original_order_or_raises(kind: type[FakeScorer | Batches]) -> None:
    scorer = kind(error=ScorerUnavailableError("gone"))
    kept = Reranker(scorer, on_error="original_order").rerank_many(QUERIES, DOCUMENTS, top_n=3)
    assert [[r.index for r in results] for results in kept] == [[0, 1, 2], [0, 1]]
    assert all(r.score is None and "gone" in str(r.not_reranked) for rs in kept for r in rs)
    with pytest.raises(ScorerUnavailableError, match="gone"):
        Reranker(scorer).rerank_many(QUERIES, DOCUMENTS)


@pytest.mark.parametrize("kind", [FakeScorer, Batches])
def test_a_model_that_does_not_load_always_raises(kind: type[FakeScorer | Batches]) -> None:
    scorer = kind(error=ModelLoadError("no such model"))
    with pytest.raises(ModelLoadError):
        Reranker(scorer, on_error="original_order").rerank_many(QUERIES, DOCUMENTS)


def test_one_query_may_fail_alone_when_asked_in_turn() -> None:
    def fail(query: str, document: str) -> float:
        if "whale" in query:
            raise ScorerError("no whales")
        return 0.5

    reranker = Reranker(FakeScorer(fail), on_error="original_order")
    fox, whale = reranker.rerank_many(QUERIES, DOCUMENTS)
    assert all(r.score == 0.5 for r in fox)
    assert all(r.score is None for r in whale)


def test_the_local_scorer_in_batches(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_rerank.scorers.local.scorer.REQUESTS_IN_MEMORY", 2)
    scorer = LocalScorer(str(tiny_model), device="cpu", dtype="float32", max_length=100)
    queries = [*QUERIES, "third", "fourth", "fifth"]
    documents = [*DOCUMENTS, ["long " * 200, "short"], [], ["x"]]
    requests = [RerankRequest(q, d) for q, d in zip(queries, documents, strict=True)]
    many = scorer.score_batch(requests)
    for request, outcome in zip(requests, many, strict=True):
        assert isinstance(outcome, Scores)
        alone = scorer.score(request.query, request.documents)
        assert [d.score for d in outcome.documents] == pytest.approx(alone, abs=1e-5)
    assert isinstance(many[2], Scores)
    assert [d.truncated for d in many[2].documents] == [True, False]
