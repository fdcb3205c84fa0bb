"""What the adapters of both frameworks share: the settings and the reranker made from them."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Self, TypedDict, Unpack

from pydantic import Field, PrivateAttr

from qwen_rerank._validation import checked_sentence
from qwen_rerank.errors import ConfigError
from qwen_rerank.expansion import Merge, phrasings
from qwen_rerank.factory import load
from qwen_rerank.feedback import FeedbackStore
from qwen_rerank.keywords import AdapterKeywords
from qwen_rerank.reranker import Reranker
from qwen_rerank.settings import AdapterSettings, RerankerSettings, ScorerSettings
from qwen_rerank.types import RerankResult

logger = logging.getLogger(__name__)

# the reranker is built from these, so they can't change later
_FIXED = set(RerankerSettings.model_fields) - {"instruction"}


class ScorerAdapter(ScorerSettings):
    """Settings with the reranker that they describe; `instruction` may change later."""

    _reranker: Reranker = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Build the reranker, so that wrong settings and missing extras show at once."""
        super().model_post_init(context)
        self._reranker = load(self)

    def __init__(self, model: str | None = None, /, **settings: Any) -> None:
        if model is None:
            super().__init__(**settings)
        else:
            super().__init__(model=model, **settings)

    @classmethod
    def from_pretrained(cls, model: str, **settings: Any) -> Self:
        """The adapter of one model, under the name that Hugging Face's classes give this.

        Args:
            model: A hub id, a folder, or `"builtin"`.
            **settings: Any other setting by name.
        """
        return cls(model=model, **settings)

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


class CallSettings(TypedDict, total=False):
    """What one call may set in place of the adapter's own settings."""

    top_n: int | None
    score_threshold: float | None
    instruction: str | None


class QueryKeywords(AdapterKeywords, total=False):
    """See `RerankAdapter`."""

    query_expander: Any
    query_merge: Merge
    feedback: FeedbackStore | None


class RerankAdapter(ScorerAdapter, AdapterSettings):
    """Settings that can rank; a framework's class adds how its documents become text."""

    query_expander: Any = Field(default=None, exclude=True, repr=False)
    """Makes further phrasings of a query: a callable from a text to texts, or to one text with
    a phrasing a line. `None` searches for the query alone."""
    query_merge: Merge = "max"
    """How the phrasings' rankings become one: the best score, or `"rrf"`, by rank."""

    feedback: FeedbackStore | None = Field(default=None, exclude=True, repr=False)
    """Keeps each ranking, so that feedback can name it; documents then carry the ranking's id
    and their index."""

    def _ranked_and_recorded(
        self, query: str, texts: Sequence[str], **given: Unpack[CallSettings]
    ) -> tuple[list[RerankResult], str | None]:
        """The ranking, and its id if feedback is kept."""
        start = time.perf_counter()
        used: CallSettings = {
            "top_n": self.top_n,
            "score_threshold": self.score_threshold,
            "instruction": self.instruction,
            **given,
        }
        if self.query_expander is None:
            results = self._reranker.rerank(query, texts, **used)
        else:
            queries = self._phrasings(query)
            results = self._reranker.rerank_queries(queries, texts, merge=self.query_merge, **used)
        if self.feedback is None or not texts:
            return results, None
        seconds = time.perf_counter() - start
        return results, self.feedback.record_ranking(
            query, texts, results, seconds=seconds, top_n=used["top_n"]
        )

    def _expand(self, query: str) -> Any:
        """What the expander returns; an adapter adds the expanders of its framework."""
        return self.query_expander(query)

    def _phrasings(self, query: str) -> list[str]:
        checked_sentence("query", query)
        try:
            answer = self._expand(query)
        except Exception as error:  # an outage of the LLM must not break the pipeline
            if self.on_error == "raise":
                raise
            logger.warning("query_expander failed, only the query itself is used: %r", error)
            return [query]
        return phrasings(query, answer)
