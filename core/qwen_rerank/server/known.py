"""Scores that are known already, as a scorer."""

from __future__ import annotations

from collections.abc import Sequence

from qwen_rerank.types import Scores


class KnownScorer:
    """Looks scores up, so that `Reranker` can check, order and cut them as everywhere."""

    def __init__(self, documents: Sequence[str], scores: Scores) -> None:
        self._scores = dict(zip(documents, scores, strict=True))
        self._truncated = {documents[place] for place in scores.truncated}

    def score(
        self, query: str, documents: Sequence[str], *, instruction: str | None = None
    ) -> Scores:
        """See `Scorer.score`; knows the documents it was made with, for any query."""
        del query, instruction
        cut = [place for place, text in enumerate(documents) if text in self._truncated]
        return Scores([self._scores[text] for text in documents], truncated=cut)
