"""LangChain's own retriever tests, around our compressor over FAISS."""

from __future__ import annotations

from typing import Any

from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_community.vectorstores import FAISS
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests

from langchain_qwen_rerank import QwenRerank
from qwen_rerank.testing import FakeScorer
from tests.langchain.conftest import BagOfWords

STORE = FAISS.from_texts([f"text number {i}" for i in range(10)], BagOfWords())


def make_retriever(k: int = 3, **_: Any) -> BaseRetriever:
    """`k` is what a user of a reranking retriever means by `top_n`."""
    return ContextualCompressionRetriever(
        base_compressor=QwenRerank(scorer=FakeScorer(), top_n=k),
        base_retriever=STORE.as_retriever(search_kwargs={"k": 6}),
    )


class TestRetriever(RetrieversIntegrationTests):
    @property
    def retriever_constructor(self) -> Any:
        return make_retriever

    @property
    def retriever_query_example(self) -> str:
        return "text number 4"
