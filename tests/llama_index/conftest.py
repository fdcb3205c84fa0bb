"""A FAISS index of LlamaIndex nodes, and an LLM that repeats what it is asked."""

from __future__ import annotations

from collections.abc import Iterator

import faiss
import pytest
from llama_index.core import Settings, StorageContext, VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.llms import MockLLM
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.vector_stores.faiss import FaissVectorStore

from tests.bag_of_words import WIDTH, embed


class BagOfWords(BaseEmbedding):
    """Hashed words as vectors."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return embed(text)

    def _get_query_embedding(self, query: str) -> list[float]:
        return embed(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return embed(query)


TEXTS = {"a": "red apple pie", "b": "green apple", "c": "blue sky", "d": "red wine"}


@pytest.fixture(autouse=True)
def _offline_settings() -> Iterator[None]:
    """LlamaIndex asks OpenAI unless told otherwise."""
    Settings.llm, Settings.embed_model = MockLLM(), BagOfWords()
    yield
    Settings._llm = Settings._embed_model = None  # noqa: SLF001 - LlamaIndex offers no reset


@pytest.fixture
def nodes() -> list[NodeWithScore]:
    return [
        NodeWithScore(node=TextNode(id_=name, text=text), score=0.9 - place / 10)
        for place, (name, text) in enumerate(TEXTS.items())
    ]


@pytest.fixture
def index() -> VectorStoreIndex:
    store = FaissVectorStore(faiss_index=faiss.IndexFlatIP(WIDTH))
    return VectorStoreIndex(
        [TextNode(id_=name, text=text) for name, text in TEXTS.items()],
        storage_context=StorageContext.from_defaults(vector_store=store),
    )
