"""What the adapters of both frameworks share: settings that carry their reranker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Self

from pydantic import PrivateAttr

from qwen_rerank.errors import ConfigError
from qwen_rerank.loading import load
from qwen_rerank.reranker import Reranker
from qwen_rerank.settings import RerankerSettings, RerankSettings, ScorerSettings
from qwen_rerank.types import RerankResult

RELEVANCE_SCORE = "relevance_score"
"""Metadata key of P("yes")."""
RERANK_ERROR = "rerank_error"
"""Metadata key of the reason why a document was not reranked."""
RERANK_FALLBACK = "rerank_fallback"
"""Metadata key of the reason why another model gave the score."""
RERANK_TRUNCATED = "rerank_truncated"
"""Metadata key, present and true only where a document's end was not read."""

MARKS = (RERANK_ERROR, RERANK_FALLBACK, RERANK_TRUNCATED)

_FIXED = set(RerankerSettings.model_fields) - {"instruction"}


class ScorerAdapter(ScorerSettings):
    """Settings with the reranker that they describe; `instruction` may change later."""

    _reranker: Reranker = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Build the reranker, so that wrong settings and missing extras show at once."""
        super().model_post_init(context)
        self._reranker = load(self)

    @property
    def _model_name(self) -> str:
        """What traces call the model."""
        return self.model if self.scorer is None else type(self.scorer).__name__

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED:
            raise ConfigError(f"{name} can't be changed any more: make a new {type(self).__name__}")
        super().__setattr__(name, value)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, checked like a new one; it keeps the reranker unless its scorer differs."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        copy = type(self)(**{**(deepcopy(values) if deep else values), **(update or {})})
        if not _FIXED & set(update or ()):
            copy._reranker = self._reranker  # noqa: SLF001 - its own class
        return copy


class RerankAdapter(ScorerAdapter, RerankSettings):
    """Settings that can rank; a framework's class adds how its documents become text."""

    def _rank(self, query: str, texts: Sequence[str]) -> list[RerankResult]:
        return self._reranker.rerank(
            query,
            texts,
            top_n=self.top_n,
            score_threshold=self.score_threshold,
            instruction=self.instruction,
        )


def marks(result: RerankResult) -> dict[str, Any]:
    """What a result has to say besides its score, as metadata."""
    found = {
        RERANK_ERROR: result.not_reranked,
        RERANK_FALLBACK: result.fallback,
        RERANK_TRUNCATED: result.truncated or None,
    }
    return {key: value for key, value in found.items() if value is not None}
