"""Limits how many candidates the model scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from qwen_rerank.errors import ConfigError
from qwen_rerank.extras import require_package
from qwen_rerank.image import readable_text
from qwen_rerank.lexical.bm25 import Bm25Index

CutBy = Literal["bm25", "order"]


@dataclass(frozen=True, slots=True)
class Prefilter:
    """Chooses which candidates are scored when there are more than `max_candidates`.

    Args:
        max_candidates: The most candidates to score; 50 is a good first choice.
        by: `"bm25"` keeps those with the best BM25 score, `"order"` the first ones, which the
            retriever ranked best.

    Raises:
        ConfigError: The number is below 1.
        MissingDependencyError: bm25s is not installed and `by` is `"bm25"`.
    """

    max_candidates: int
    by: CutBy = "bm25"

    def __post_init__(self) -> None:
        if self.max_candidates < 1:
            raise ConfigError(f"max_candidates must be at least 1, got {self.max_candidates}")
        if self.by == "bm25":
            require_package("bm25s", "bm25")

    @property
    def reason(self) -> str:
        """Why a candidate was not scored."""
        how = "BM25" if self.by == "bm25" else "the retriever"
        return f"beyond max_candidates={self.max_candidates}: {how} ranks it below those scored"

    def keep(self, query: str, documents: Sequence[str]) -> list[int]:
        """Places of the candidates to score, in the caller's order.

        Of candidates with equal BM25 scores the first ones are kept.
        """
        if len(documents) <= self.max_candidates or self.by == "order":
            return list(range(len(documents)))[: self.max_candidates]
        best = Bm25Index(list(map(readable_text, documents))).search(query, self.max_candidates)
        return sorted(place for place, _ in best)
