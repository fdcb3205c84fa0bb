"""The documents of one query between the caller and the scorer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from qwen_rerank.lexical.prefilter import Prefilter
from qwen_rerank.types import RerankResult, Scores


@dataclass(frozen=True)
class Candidates:
    """Which documents are scored, each distinct text once, and how scores become a ranking.

    Args:
        query: What is searched for.
        documents: All that the caller gave, in the caller's order.
        prefilter: Chooses among very many; `None` keeps all.
    """

    query: str
    documents: Sequence[str]
    prefilter: Prefilter | None = None

    @cached_property
    def places(self) -> Sequence[int]:
        """Places of the documents to score, in the caller's order."""
        if self.prefilter is None:
            return range(len(self.documents))
        return self.prefilter.keep(self.query, self.documents)

    @cached_property
    def texts(self) -> list[str]:
        """What the scorer gets: the distinct texts of these documents."""
        return list(dict.fromkeys(self.documents[place] for place in self.places))

    def ranking(self, answer: Sequence[float], threshold: float | None) -> list[RerankResult]:
        """Best first, ties in the caller's order; below them what the prefilter left out.

        Args:
            answer: A score for each of `texts`.
            threshold: Leave out what scores below it, and all that has no score.
        """
        scores = Scores.of(answer)
        row = {text: i for i, text in enumerate(self.texts)}
        rows = [(place, row[self.documents[place]]) for place in self.places]
        ranked = [
            RerankResult(place, float(scores[i]), i in scores.truncated, fallback=scores.fallback)
            for place, i in sorted(rows, key=lambda pair: -scores[pair[1]])
            if threshold is None or scores[i] >= threshold
        ]
        return ranked + (self._left_out() if threshold is None else [])

    def original_order(self, reason: str) -> list[RerankResult]:
        """Every document, unscored, in the caller's order."""
        return [RerankResult(i, None, not_reranked=reason) for i in range(len(self.documents))]

    def _left_out(self) -> list[RerankResult]:
        if self.prefilter is None:
            return []
        scored = set(self.places)
        unscored = self.original_order(self.prefilter.reason)
        return [result for result in unscored if result.index not in scored]
