"""BM25 over texts in memory, computed by bm25s."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qwen_rerank.extras import require_package
from qwen_rerank.lexical.tokenize import terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Bm25Index:
    """Search by the words that texts share with a query, as Lucene scores them.

    Args:
        texts: The texts to search. Of texts with equal scores the earlier one comes first.
        k1: How much a word counts that a text repeats.
        b: How much long texts are marked down, from 0 to 1.

    Raises:
        MissingDependencyError: bm25s is not installed.
    """

    def __init__(self, texts: Sequence[str], *, k1: float = 1.5, b: float = 0.75) -> None:
        require_package("bm25s", "bm25")
        import bm25s

        tokens = [terms(text) for text in texts]
        self._count = len(tokens)
        self._index: Any = bm25s.BM25(k1=k1, b=b) if any(tokens) else None  # needs a word
        if self._index is not None:
            self._index.index(tokens, show_progress=False)

    def search(self, query: str, k: int) -> list[tuple[int, float]]:
        """The places of the `k` best texts with their scores, best first.

        Texts that share no word with the query come last, with the score 0.
        """
        places, scores = self._best(query, k)
        return list(zip(places.tolist(), scores.tolist(), strict=True))

    def search_many(
        self, queries: Sequence[str], k: int
    ) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Places and scores as in `search`, each of shape (queries, min(k, texts))."""
        import numpy as np

        shape = len(queries), min(k, self._count)
        places, scores = np.empty(shape, np.intp), np.empty(shape, np.float32)
        for row, query in enumerate(queries):
            places[row], scores[row] = self._best(query, k)
        return places, scores

    def _best(self, query: str, k: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        import numpy as np

        scores, k = self._scores(terms(query)), min(k, self._count)
        least = np.partition(scores, -k)[-k] if k else np.inf
        places = np.flatnonzero(scores >= least)  # more than k where scores are equal
        places = places[np.argsort(-scores[places], kind="stable")][:k]
        return places, scores[places]

    def _scores(self, query: list[str]) -> NDArray[np.float32]:
        import numpy as np

        if self._index is None or not query:
            return np.zeros(self._count, np.float32)
        scores: NDArray[np.float32] = self._index.get_scores(query)
        return scores
