"""A LangChain FAISS retriever, reranked: only the line marked below is new.

python -m examples.langchain_faiss
"""

from __future__ import annotations

from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_community.vectorstores import FAISS
from langchain_core.embeddings import Embeddings

from examples.support.dense import LsaEmbedder
from examples.support.passages import PASSAGES
from langchain_qwen_rerank import QwenRerank


class LsaEmbeddings(Embeddings):
    """An offline stand-in for the embeddings that you already use."""

    def __init__(self, corpus: list[str]) -> None:
        self._embed = LsaEmbedder(corpus)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[float(x) for x in row] for row in self._embed(texts)]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def main() -> None:
    store = FAISS.from_texts(PASSAGES, LsaEmbeddings(PASSAGES))
    retriever = store.as_retriever(search_kwargs={"k": 8})
    reranked = ContextualCompressionRetriever(
        base_retriever=retriever,
        base_compressor=QwenRerank(model="builtin", top_n=3),  # the new line
    )
    for query in ("How long do I wait for a refund of damaged goods?", "投诉响应超时怎么处理？"):
        print(query)
        for document in reranked.invoke(query):
            score = document.metadata.get("relevance_score")  # no key after an outage
            shown = document.metadata.get("rerank_error") if score is None else f"{score:.3f}"
            print(f"  {shown}  {document.page_content}")


if __name__ == "__main__":
    main()
