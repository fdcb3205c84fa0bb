"""Dense search with FAISS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qwen_rerank.errors import MissingDependencyError
from qwen_rerank.evaluation.embedding import Embedder


class DenseIndex:
    """Exact search by cosine similarity.

    Args:
        texts: The texts to search.
        embed: Turns texts and queries into unit vectors.
    """

    def __init__(self, texts: Sequence[str], embed: Embedder) -> None:
        try:
            import faiss
        except ImportError:
            raise MissingDependencyError("faiss-cpu", "eval") from None
        self.texts = list(texts)
        self._embed = embed
        vectors = embed(self.texts)
        self._index: Any = faiss.IndexFlatIP(vectors.shape[1])
        self._index.add(vectors)

    def search(self, query: str, k: int) -> list[int]:
        """Places of the `k` nearest texts, nearest first."""
        return [place for place, _ in self.search_many([query], k)[0]]

    def search_many(self, queries: Sequence[str], k: int) -> list[list[tuple[int, float]]]:
        """For each query, the `k` nearest texts' places with their cosines, nearest first."""
        cosines, places = self._index.search(self._embed(queries), min(k, len(self.texts)))
        return [
            list(zip(row, values, strict=True))
            for row, values in zip(places.tolist(), cosines.tolist(), strict=True)
        ]
