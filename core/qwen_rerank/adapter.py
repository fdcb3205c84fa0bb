"""What the adapters of both frameworks share: settings that carry their reranker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import Field, PrivateAttr

from qwen_rerank.errors import ConfigError
from qwen_rerank.inputs import check_query
from qwen_rerank.loading import load
from qwen_rerank.multiquery import Merge, phrasings
from qwen_rerank.reranker import Reranker
from qwen_rerank.settings import RerankSettings, ScorerSettings
from qwen_rerank.types import RerankResult

logger = logging.getLogger(__name__)

RELEVANCE_SCORE = "relevance_score"
"""Metadata key of P("yes")."""
RERANK_ERROR = "rerank_error"
"""Metadata key of the reason why a document was not reranked."""
RERANK_TRUNCATED = "rerank_truncated"
"""Metadata key, present and true only where a document's end was not read."""


class RerankAdapter(RerankSettings):
    """Settings that can rank; a framework's class adds how its documents become text."""

    query_expander: Any = Field(default=None, exclude=True, repr=False)
    """Makes further phrasings of a query: a callable from a text to texts, or to one text with
    a phrasing a line. `None` searches for the query alone."""
    query_merge: Merge = "max"
    """How the phrasings' rankings become one: the best score, or `"rrf"`, by rank."""

    _reranker: Reranker = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Build the reranker, so that wrong settings and missing extras show at once."""
        super().model_post_init(context)
        self._reranker = load(self)

    def _rank(self, query: str, texts: Sequence[str]) -> list[RerankResult]:
        if self.query_expander is None:
            return self._reranker.rerank(query, texts, **self._per_call())
        asked = self._phrasings(query)
        return self._reranker.rerank_queries(asked, texts, **self._per_call_of_several())

    async def _arank(self, query: str, texts: Sequence[str]) -> list[RerankResult]:
        if self.query_expander is None:
            return await self._reranker.arerank(query, texts, **self._per_call())
        asked = await self._aphrasings(query)
        return await self._reranker.arerank_queries(asked, texts, **self._per_call_of_several())

    def _expand(self, query: str) -> Any:
        """What the expander answers; an adapter adds its framework's kinds of expander."""
        return self.query_expander(query)

    async def _aexpand(self, query: str) -> Any:
        return await asyncio.to_thread(self._expand, query)

    def _phrasings(self, query: str) -> list[str]:
        check_query(query, self.instruction)
        try:
            answer = self._expand(query)
        except Exception as error:  # an LLM's outage must not break the pipeline either
            return self._alone(query, error)
        return phrasings(query, answer)

    async def _aphrasings(self, query: str) -> list[str]:
        check_query(query, self.instruction)
        try:
            answer = await self._aexpand(query)
        except Exception as error:  # as above
            return self._alone(query, error)
        return phrasings(query, answer)

    def _alone(self, query: str, error: Exception) -> list[str]:
        if self.on_error == "raise":
            raise error
        logger.warning("query_expander failed, the query is reranked alone: %r", error)
        return [query]

    def _per_call_of_several(self) -> dict[str, Any]:
        return {"merge": self.query_merge, **self._per_call()}

    def _per_call(self) -> dict[str, Any]:
        """The settings that may be changed after construction."""
        return {
            "top_n": self.top_n,
            "score_threshold": self.score_threshold,
            "instruction": self.instruction,
        }

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED:
            raise ConfigError(f"{name} can't be changed any more: make a new {type(self).__name__}")
        super().__setattr__(name, value)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy; one whose scorer differs gets a reranker of its own."""
        copy = super().model_copy(update=update, deep=deep)
        if _FIXED & set(update or ()):
            copy._reranker = load(copy)  # noqa: SLF001 - its own class
        return copy


_FIXED = set(ScorerSettings.model_fields) - {"instruction"} | {
    "on_error",
    "max_candidates",
    "candidates_by",
}


def marks(result: RerankResult) -> dict[str, Any]:
    """What a result has to say besides its score, as metadata."""
    found: dict[str, Any] = {}
    if result.not_reranked is not None:
        found[RERANK_ERROR] = result.not_reranked
    if result.truncated:
        found[RERANK_TRUNCATED] = True
    return found
