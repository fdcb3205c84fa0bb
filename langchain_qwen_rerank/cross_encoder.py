"""Qwen3-Reranker for LangChain's own `CrossEncoderReranker`."""

from __future__ import annotations

from langchain_core.cross_encoders import BaseCrossEncoder

from qwen_rerank.adapter import ScorerAdapter


class QwenCrossEncoder(ScorerAdapter, BaseCrossEncoder):
    """Scores (query, document) pairs by Qwen3-Reranker's P("yes").

    Unlike `QwenRerank`, it returns no metadata and raises whenever there are no scores.
    """

    def score(self, text_pairs: list[tuple[str, str]]) -> list[float]:
        """P("yes") in [0, 1] for each (query, document) pair, in the order of the pairs.

        Raises:
            InvalidInputError: A query is blank, or something is no text.
            ScorerError: No scores could be had.
        """
        scores = [0.0] * len(text_pairs)
        for query in dict.fromkeys(query for query, _ in text_pairs):
            places = [place for place, pair in enumerate(text_pairs) if pair[0] == query]
            texts = [text_pairs[place][1] for place in places]
            for result in self._reranker.rerank(query, texts, instruction=self.instruction):
                assert result.score is not None  # noqa: S101 - this reranker raises instead
                scores[places[result.index]] = result.score
        return scores
