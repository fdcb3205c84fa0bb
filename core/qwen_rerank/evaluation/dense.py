"""Dense search with FAISS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qwen_rerank.evaluation.embedding import Embedder
from qwen_rerank.extras import require_package

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class DenseIndex:
    """Exact search by cosine similarity.

    Args:
        texts: The texts to search.
        embed: Turns texts and queries into unit vectors.
    """

    def __init__(self, texts: Sequence[str], embed: Embedder) -> None:
        require_package("faiss-cpu", "eval", "faiss")
        import faiss

        self.texts = list(texts)
        self._embed = embed
        vectors = embed(self.texts)
        self._index: Any = faiss.IndexFlatIP(vectors.shape[1])
        self._index.add(vectors)

    def search(self, query: str, k: int) -> list[int]:
        """Places of the `k` nearest texts, nearest first."""
        places: list[int] = self.search_many([query], k)[0][0].tolist()
        return places

    def search_many(
        self, queries: Sequence[str], k: int
    ) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Places of the nearest texts and their cosines, nearest first.

        Both have the shape (queries, min(k, texts)).
        """
        cosines, places = self._index.search(self._embed(queries), min(k, len(self.texts)))
        return places, cosines
