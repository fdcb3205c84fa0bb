"""What the server ranked, before it takes the shape that a client reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qwen_rerank.types import RerankResult


@dataclass(frozen=True, slots=True)
class ServedRanking:
    """The ranking of one request."""

    id: str
    """What feedback names."""
    results: Sequence[RerankResult]
    """Best first."""
    seconds: float
    model: str
    tokens: int
    """Of the prompts of all documents that were to be scored."""

    @property
    def scored(self) -> list[tuple[int, float]]:
        """Index and score of each document that has a score, best first."""
        return [(one.index, one.score) for one in self.results if one.score is not None]
