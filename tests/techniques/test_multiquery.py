"""Several phrasings of a query: where they help, and where they must change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import RunnableLambda
from llama_index.core.llms import MockLLM
from llama_index.core.schema import NodeWithScore, TextNode

import langchain_qwen_rerank
import llama_index_qwen_rerank
from qwen_rerank import (
    BatchScorer,
    DocumentScore,
    InvalidInputError,
    Reranker,
    RerankRequest,
    ScorerUnavailableError,
    load,
)
from qwen_rerank.expansion import merge_rankings, phrasings
from qwen_rerank.testing import FakeScorer, word_overlap
from qwen_rerank.types import Outcome, RerankResult, Scores

QUERY, OTHER = "money back", "refund duration"
DOCUMENTS = ["back pain", "the refund duration is five days", "money matters", "sky"]
MERGES: list[Literal["max", "rrf"]] = ["max", "rrf"]


def test_another_phrasing_finds_what_the_first_could_not() -> None:
    """Where it helps: the answer shares no word with the query as it was typed."""
    reranker = Reranker(FakeScorer())
    assert reranker.rerank(QUERY, DOCUMENTS)[0].index != 1
    [best] = reranker.rerank_queries([QUERY, OTHER], DOCUMENTS, top_n=1)
    assert (best.index, best.score) == (1, 1)


@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("options", [{}, {"top_n": 2}, {"score_threshold": 0.1}])
def test_one_phrasing_is_the_plain_call_to_the_last_digit(
    tiny_model: Path, merge: Literal["max", "rrf"], options: dict[str, Any]
) -> None:
    """Where it must change nothing, with a real model, a pre-cut and equal texts."""
    for max_candidates in (None, 3):
        reranker = load(model=str(tiny_model), device="cpu", max_candidates=max_candidates)
        documents = [*DOCUMENTS, DOCUMENTS[1]]
        plain = reranker.rerank(QUERY, documents, **options)
        assert reranker.rerank_queries([QUERY, QUERY], documents, merge=merge, **options) == plain


def test_each_document_comes_once_and_the_score_is_its_best() -> None:
    reranker = Reranker(FakeScorer())
    results = reranker.rerank_queries([QUERY, OTHER, "sky"], DOCUMENTS)
    assert sorted(result.index for result in results) == [0, 1, 2, 3]
    for result in results:
        text = DOCUMENTS[result.index]
        assert result.score == max(word_overlap(one, text) for one in (QUERY, OTHER, "sky"))
    found = reranker.rerank_queries([QUERY, OTHER], DOCUMENTS, score_threshold=0.5)
    assert [result.index for result in found] == [1, 0, 2]


def test_rank_fusion_prefers_what_all_phrasings_like() -> None:
    def ranking(*scores: float) -> list[RerankResult]:
        found = [RerankResult(place, score) for place, score in enumerate(scores)]
        return sorted(found, key=lambda one: -(one.score or 0))

    rankings = [ranking(1.0, 0.8, 0.1), ranking(0.0, 0.8, 0.7)]
    assert [one.index for one in merge_rankings(rankings, "max")] == [0, 1, 2]
    assert [one.index for one in merge_rankings(rankings, "rrf")] == [1, 0, 2]
    assert [one.score for one in merge_rankings(rankings, "rrf")] == [0.8, 1.0, 0.7]


class HalfDown(BatchScorer):
    """Scores one query only, or scores the other one by another model."""

    def __init__(self, instead: str | None) -> None:
        self.instead = instead

    def score_batch(self, requests: Sequence[RerankRequest]) -> list[Outcome]:
        return [self._outcome(request) for request in requests]

    def _outcome(self, request: RerankRequest) -> Outcome:
        if request.query == QUERY and self.instead is None:
            return ScorerUnavailableError("down")
        fallback = self.instead if request.query == QUERY else None
        score = DocumentScore(0.9 if fallback else 0.2)
        return Scores((score,) * len(request.documents), fallback)


@pytest.mark.parametrize("instead", [None, "another model scored"])
def test_scores_of_two_models_never_mix(instead: str | None) -> None:
    reranker = Reranker(HalfDown(instead), on_error="original_order")
    assert {one.score for one in reranker.rerank_queries([QUERY, OTHER], DOCUMENTS)} == {0.2}
    assert reranker.rerank_queries([QUERY], DOCUMENTS, score_threshold=1) == reranker.rerank(
        QUERY, DOCUMENTS, score_threshold=1
    )


def test_an_outage_keeps_the_original_order() -> None:
    scorer = FakeScorer(error=ScorerUnavailableError("down"))
    results = Reranker(scorer, on_error="original_order").rerank_queries([QUERY, OTHER], DOCUMENTS)
    assert [result.index for result in results] == [0, 1, 2, 3]
    assert all(result.not_reranked for result in results)


@pytest.mark.parametrize("queries", [[], "text", [""], [1], None])
def test_wrong_queries_are_refused(queries: Any) -> None:
    with pytest.raises(InvalidInputError, match="quer"):
        Reranker(FakeScorer()).rerank_queries(queries, DOCUMENTS)


def test_an_llms_lines_become_phrasings() -> None:
    answer = "1. first\n - second\n\n3、第三\nask\n2024 report"
    assert phrasings("ask", answer) == ["ask", "first", "second", "第三", "2024 report"]
    assert phrasings("ask", ("a", "ask", " a ")) == ["ask", "a"]
    for wrong in (None, [1], 5):
        with pytest.raises(InvalidInputError, match="query_expander must give texts"):
            phrasings("ask", wrong)  # type: ignore[arg-type]


def langchain(**settings: Any) -> list[str]:
    adapter = langchain_qwen_rerank.QwenRerank(scorer=FakeScorer(), top_n=1, **settings)
    documents = [Document(page_content=text) for text in DOCUMENTS]
    return [one.page_content for one in adapter.compress_documents(documents, QUERY)]


async def alangchain(**settings: Any) -> list[str]:
    adapter = langchain_qwen_rerank.QwenRerank(scorer=FakeScorer(), top_n=1, **settings)
    documents = [Document(page_content=text) for text in DOCUMENTS]
    return [one.page_content for one in await adapter.acompress_documents(documents, QUERY)]


def llama_index_adapter(**settings: Any) -> llama_index_qwen_rerank.QwenRerank:
    return llama_index_qwen_rerank.QwenRerank(scorer=FakeScorer(), top_n=1, **settings)


def nodes() -> list[NodeWithScore]:
    return [NodeWithScore(node=TextNode(text=text), score=0.1) for text in DOCUMENTS]


EXPANDERS = [
    lambda query: [OTHER],
    RunnableLambda(lambda query: [OTHER]),
    FakeListChatModel(responses=[f"1. {OTHER}"]),
]


@pytest.mark.parametrize("expander", EXPANDERS)
async def test_langchain_takes_callables_and_runnables(expander: Any) -> None:
    assert langchain(query_expander=expander) == [DOCUMENTS[1]]
    assert langchain(query_expander=expander, query_merge="rrf") == [DOCUMENTS[0]]
    assert await alangchain(query_expander=expander) == [DOCUMENTS[1]]


class Rephrasing(MockLLM):
    """An LLM with one answer."""

    def complete(self, prompt: str, *args: Any, **kwargs: Any) -> Any:
        answer = super().complete(prompt, *args, **kwargs)
        answer.text = f"- {OTHER}" if QUERY in prompt else ""
        return answer


async def test_llama_index_takes_callables_and_llms() -> None:
    for expander in (
        EXPANDERS[0],
        llama_index_qwen_rerank.LLMQueryExpander(Rephrasing(max_tokens=None)),
    ):
        adapter = llama_index_adapter(query_expander=expander)
        for found in (
            adapter.postprocess_nodes(nodes(), query_str=QUERY),
            await adapter.apostprocess_nodes(nodes(), query_str=QUERY),
        ):
            assert [one.node.get_content() for one in found] == [DOCUMENTS[1]]


async def test_an_expander_that_fails_leaves_the_query_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(query: str) -> list[str]:
        raise ConnectionError("no LLM")

    assert langchain(query_expander=broken) == langchain()
    assert await alangchain(query_expander=broken) == langchain()
    assert "query_expander failed" in caplog.text
    with pytest.raises(ConnectionError):
        langchain(query_expander=broken, on_error="raise")
