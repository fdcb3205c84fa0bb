"""A FAISS store of LangChain documents."""

from __future__ import annotations

import pytest
from langchain_community.vectorstores import FAISS
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from tests.bag_of_words import embed


class BagOfWords(Embeddings):
    """Hashed words as vectors."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [embed(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return embed(text)


@pytest.fixture
def documents() -> list[Document]:
    return [
        Document(id="a", page_content="red apple pie", metadata={"page": 1}),
        Document(id="b", page_content="green apple", metadata={"page": 2}),
        Document(id="c", page_content="blue sky", metadata={"page": 3, "tags": ["x"]}),
        Document(id="d", page_content="red wine", metadata={"page": 4}),
    ]


@pytest.fixture
def store(documents: list[Document]) -> FAISS:
    return FAISS.from_documents(documents, BagOfWords(), ids=[str(d.id) for d in documents])
