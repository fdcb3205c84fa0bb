"""BM25 over texts in memory, by bm25s."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from qwen_rerank.errors import MissingDependencyError
from qwen_rerank.lexical.tokenize import words


def require_bm25() -> None:
    """Raise MissingDependencyError unless bm25s is installed; imports nothing."""
    if find_spec("bm25s") is None:
        raise MissingDependencyError("bm25s", "bm25")


class Bm25Index:
    """Texts that are found by the words they share with a query.

    Args:
        texts: What to search, in an order that says which comes first among equals.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        require_bm25()
        import bm25s

        tokens = [words(text) for text in texts]
        self._count = len(tokens)
        self._index: Any = bm25s.BM25() if any(tokens) else None  # it can't count no words
        if self._index is not None:
            self._index.index(tokens, show_progress=False)

    def search(self, query: str, k: int) -> list[tuple[int, float]]:
        """The `k` best places with their BM25 scores, best first, equals in their order.

        Texts without any of the words come last, with 0.
        """
        scores = self._scores(words(query))
        best = sorted(range(self._count), key=lambda place: -scores[place])
        return [(place, scores[place]) for place in best[:k]]

    def search_many(self, queries: Sequence[str], k: int) -> list[list[tuple[int, float]]]:
        """`search` for each query."""
        return [self.search(query, k) for query in queries]

    def _scores(self, query: list[str]) -> list[float]:
        if self._index is None or not query:
            return [0.0] * self._count
        scores: list[float] = self._index.get_scores(query).tolist()
        return scores
