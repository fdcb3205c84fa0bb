"""More candidates than `max_candidates`: where the cut helps, and where it changes nothing."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.documents import Document
from llama_index.core.schema import NodeWithScore, TextNode

import langchain_qwen_rerank
import llama_index_qwen_rerank
from qwen_rerank import ConfigError, MissingDependencyError, Prefilter, Reranker, load
from qwen_rerank.testing import FakeScorer

NOISE = [f"noise {number} about other things" for number in range(99)]
ANSWER = "refunds for damaged goods take five days"
QUERY = "damaged goods refunds"


def test_bm25_saves_the_answer_that_the_retriever_ranked_last() -> None:
    """Where it helps: 3 of 100 are scored, and the answer is among them."""
    scorer = FakeScorer()
    results = load(scorer=scorer, max_candidates=3).rerank(QUERY, [*NOISE, ANSWER], top_n=1)
    assert results[0].index == 99
    assert results[0].score == 1
    assert scorer.calls[0][1] == [*NOISE[:2], ANSWER], "in the caller's order"


@pytest.mark.parametrize("by", ["bm25", "order"])
def test_no_more_than_the_limit_changes_nothing(by: Any) -> None:
    documents = [*NOISE[:9], ANSWER]
    plain = Reranker(FakeScorer()).rerank(QUERY, documents)
    assert Reranker(FakeScorer(), prefilter=Prefilter(10, by)).rerank(QUERY, documents) == plain


def test_the_retrievers_order_can_cut_instead() -> None:
    scorer = FakeScorer()
    load(scorer=scorer, max_candidates=2, candidates_by="order").rerank(QUERY, [*NOISE, ANSWER])
    assert scorer.calls[0][1] == NOISE[:2]


def test_what_was_left_out_comes_last_without_a_score_and_says_why() -> None:
    results = load(scorer=FakeScorer(), max_candidates=2).rerank(QUERY, [*NOISE[:4], ANSWER])
    assert [result.index for result in results] == [4, 0, 1, 2, 3]
    assert [result.score for result in results] == [1, 0, None, None, None]
    assert results[2].not_reranked == "beyond max_candidates=2: BM25 ranks it below those scored"
    limited = load(scorer=FakeScorer(), max_candidates=2)
    found = limited.rerank(QUERY, [*NOISE[:4], ANSWER], score_threshold=0)
    assert [result.index for result in found] == [4, 0]


def test_a_reranker_keeps_its_prefilter_in_a_pickle() -> None:
    assert pickle.loads(pickle.dumps(load(max_candidates=7))).prefilter == Prefilter(7)


def langchain_texts(**settings: Any) -> list[str]:
    documents = [Document(page_content=text) for text in [*NOISE, ANSWER]]
    found = langchain_qwen_rerank.QwenRerank(**settings).compress_documents(documents, QUERY)
    return [document.page_content for document in found]


def llama_index_texts(**settings: Any) -> list[str]:
    nodes = [NodeWithScore(node=TextNode(text=text), score=0.1) for text in [*NOISE, ANSWER]]
    adapter = llama_index_qwen_rerank.QwenRerank(**settings)
    found = adapter.postprocess_nodes(nodes, query_str=QUERY)
    return [node.node.get_content() for node in found]


@pytest.mark.parametrize("texts", [langchain_texts, llama_index_texts])
def test_both_adapters_reach_it(texts: Callable[..., list[str]]) -> None:
    scorer = FakeScorer()
    assert texts(scorer=scorer, max_candidates=4, top_n=1) == [ANSWER]
    assert len(scorer.calls[0][1]) == 4


def test_wrong_numbers_and_a_missing_library_show_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="max_candidates"):
        load(max_candidates=0)
    monkeypatch.setattr("qwen_rerank.extras.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"\.\[bm25\]"):
        load(scorer=FakeScorer(), max_candidates=50)
    load(scorer=FakeScorer(), max_candidates=50, candidates_by="order")
