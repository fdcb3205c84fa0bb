"""Qwen3-Reranker for LangChain's own `CrossEncoderReranker`."""

from __future__ import annotations

from typing import Any

from langchain_core.cross_encoders import BaseCrossEncoder
from pydantic import PrivateAttr

from qwen_rerank import Reranker, ScorerSettings, load_scorer


class QwenCrossEncoder(ScorerSettings, BaseCrossEncoder):
    """Scores (query, document) pairs by Qwen3-Reranker's P("yes").

    `QwenRerank` does more: it keeps scores and survives an outage.
    """

    _reranker: Reranker = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Build the reranker, so that wrong settings and missing extras show at once."""
        super().model_post_init(context)
        self._reranker = Reranker(load_scorer(self), instruction=self.instruction)

    def score(self, text_pairs: list[tuple[str, str]]) -> list[float]:
        """P("yes") in [0, 1] for each (query, document) pair, in the order of the pairs.

        Raises:
            InvalidInputError: A query is blank, or something is no text.
            ScorerError: No scores could be had.
        """
        scores = [0.0] * len(text_pairs)
        for query in dict.fromkeys(query for query, _ in text_pairs):
            places = [place for place, pair in enumerate(text_pairs) if pair[0] == query]
            for result in self._reranker.rerank(query, [text_pairs[i][1] for i in places]):
                assert result.score is not None  # noqa: S101 - this reranker raises instead
                scores[places[result.index]] = result.score
        return scores
