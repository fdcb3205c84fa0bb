"""Keeps the model from reading more candidates than is worth its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from qwen_rerank.errors import ConfigError
from qwen_rerank.lexical.bm25 import Bm25Index, require_bm25

CutBy = Literal["bm25", "order"]


@dataclass(frozen=True, slots=True)
class Prefilter:
    """Chooses which candidates are scored when there are more than `max_candidates`.

    Args:
        max_candidates: The most candidates to score; 50 is a good number to start from.
        by: `"bm25"` keeps those that share most with the query's words, `"order"` the first
            ones, which is the retriever's own choice.

    Raises:
        ConfigError: The number is below 1.
        MissingDependencyError: bm25s is needed and not installed.
    """

    max_candidates: int
    by: CutBy = "bm25"

    def __post_init__(self) -> None:
        if self.max_candidates < 1:
            raise ConfigError(f"max_candidates must be at least 1, got {self.max_candidates}")
        if self.by == "bm25":
            require_bm25()

    @property
    def reason(self) -> str:
        """What is said of a candidate that was not scored."""
        how = "BM25" if self.by == "bm25" else "the retriever"
        return f"beyond max_candidates={self.max_candidates}: {how} ranks it below those scored"

    def keep(self, query: str, documents: Sequence[str]) -> list[int]:
        """Places of the candidates to score, in the caller's order.

        Candidates that BM25 finds equal are taken in the caller's order, too.
        """
        if len(documents) <= self.max_candidates or self.by == "order":
            return list(range(len(documents)))[: self.max_candidates]
        best = Bm25Index(documents).search(query, self.max_candidates)
        return sorted(place for place, _ in best)
