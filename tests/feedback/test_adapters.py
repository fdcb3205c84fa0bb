"""Pipelines that keep their rankings for feedback, in both frameworks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from llama_index.core.schema import MetadataMode, NodeWithScore, TextNode

import langchain_qwen_rerank
import llama_index_qwen_rerank
from qwen_rerank import ConfigError, ScorerUnavailableError
from qwen_rerank.feedback import FeedbackStore
from qwen_rerank.testing import FakeScorer

TEXTS = ["x", "b", "y", "a b"]
Metadata = list[dict[str, Any]]


OWN = {"rerank_id": "mine", "rerank_index": 7}


def langchain(metadata: dict[str, Any] | None = None, **settings: Any) -> Metadata:
    documents = [Document(page_content=text, metadata=metadata or {}) for text in TEXTS]
    found = langchain_qwen_rerank.QwenRerank(**settings).compress_documents(documents, "a b")
    assert all(document.metadata == (metadata or {}) for document in documents)
    return [document.metadata for document in found]


def llama_index(metadata: dict[str, Any] | None = None, **settings: Any) -> Metadata:
    nodes = [NodeWithScore(node=TextNode(text=text, metadata=metadata or {})) for text in TEXTS]
    adapter = llama_index_qwen_rerank.QwenRerank(**settings)
    found = adapter.postprocess_nodes(nodes, query_str="a b")
    for one in found:
        assert metadata or "rerank_id" not in one.node.get_content(MetadataMode.LLM)
    return [one.node.metadata for one in found]


both = pytest.mark.parametrize("ranked", [langchain, llama_index])


@both
def test_a_ranking_can_be_judged_by_what_its_documents_carry(
    tmp_path: Path, ranked: Callable[..., Metadata]
) -> None:
    store = FeedbackStore(tmp_path / "feedback.db")
    found = ranked(scorer=FakeScorer(), feedback=store, top_n=3)
    assert [one["rerank_index"] for one in found] == [3, 1, 0]
    [name] = {one["rerank_id"] for one in found}
    store.record_feedback(name, relevant=[found[0]["rerank_index"]], adopted=True)
    totals = store.totals()
    assert (totals.hits, totals.hits_before, totals.adopted) == (1, 0, 1)
    assert store.days()[0].median


@both
def test_without_a_store_nothing_is_added(ranked: Callable[..., Metadata]) -> None:
    assert all(set(one) <= {"relevance_score"} for one in ranked(scorer=FakeScorer()))


@both
def test_ids_of_others_are_replaced_only_by_our_own(
    tmp_path: Path, ranked: Callable[..., Metadata]
) -> None:
    kept = ranked(OWN, scorer=FakeScorer())
    assert all(one["rerank_id"] == "mine" and one["rerank_index"] == 7 for one in kept)
    store = FeedbackStore(tmp_path / "feedback.db")
    found = ranked(OWN, scorer=FakeScorer(), feedback=store)
    assert [one["rerank_index"] for one in found] == [3, 1, 0, 2]
    assert "mine" not in {one["rerank_id"] for one in found}


@both
def test_fewer_than_three_are_compared_with_as_many(
    tmp_path: Path, ranked: Callable[..., Metadata]
) -> None:
    """The original order would have shown one, too: a document that is not relevant."""
    store = FeedbackStore(tmp_path / "feedback.db")
    [one] = ranked(scorer=FakeScorer(), feedback=store, top_n=1)
    store.record_feedback(one["rerank_id"], relevant=[1])
    assert store.totals().hits_before == 0


def test_the_bare_ranking_can_be_judged_too(tmp_path: Path) -> None:
    store = FeedbackStore(tmp_path / "feedback.db")
    adapter = langchain_qwen_rerank.QwenRerank(scorer=FakeScorer(), feedback=store)
    found = adapter.rerank(TEXTS, "a b", top_n=1)
    store.record_feedback(found[0]["rerank_id"], relevant=[1])
    assert (store.totals().judged, store.totals().hits_before) == (1, 0)


@both
def test_an_outage_counts_as_not_reranked(tmp_path: Path, ranked: Callable[..., Metadata]) -> None:
    store = FeedbackStore(tmp_path / "feedback.db")
    down = FakeScorer(error=ScorerUnavailableError("down"))
    name = ranked(scorer=down, feedback=store)[0]["rerank_id"]
    store.record_feedback(name, adopted=True)
    assert (store.totals().answers, store.totals().answers_before) == (0, 1)


@both
def test_a_broken_store_breaks_no_pipeline(tmp_path: Path, ranked: Callable[..., Metadata]) -> None:
    store = FeedbackStore(tmp_path / "no such folder" / "feedback.db")
    assert len(ranked(scorer=FakeScorer(), feedback=store)) == 4
    assert store.lost == 1


def test_a_store_is_an_object_that_cant_be_written_down(tmp_path: Path) -> None:
    store = FeedbackStore(tmp_path / "feedback.db")
    with pytest.raises(ConfigError, match="feedback"):
        llama_index_qwen_rerank.QwenRerank(feedback=store).to_dict()
    assert langchain_qwen_rerank.QwenRerank(feedback=store).to_json()["type"] == "not_implemented"
