"""The settings as keyword arguments, for type checkers and editors; tests compare both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from pydantic import SecretStr

from qwen_rerank.lexical.prefilter import CutBy
from qwen_rerank.prompt import PromptSpec
from qwen_rerank.reranker import OnError
from qwen_rerank.scorers.remote.dialects import Template
from qwen_rerank.settings import DType, Engine, LongDocuments
from qwen_rerank.types import Scorer


class ScorerKeywords(TypedDict, total=False):
    """See `ScorerSettings`."""

    model: str
    instruction: str | None
    device: str | None
    dtype: DType | None
    max_length: int
    long_documents: LongDocuments
    prompt: str | PromptSpec | None
    engine: Engine
    compiled: bool
    base_url: str | Sequence[str] | None
    api_key: str | SecretStr | None
    dialect: str
    template: Template
    canary: bool
    timeout: float
    max_retries: int
    fallback: str | None
    cache_ttl: float | None
    cache_url: str | SecretStr | None
    trace_texts: bool
    scorer: Scorer | None


class RerankerKeywords(ScorerKeywords, total=False):
    """See `RerankerSettings`."""

    on_error: OnError
    max_candidates: int | None
    candidates_by: CutBy


class AdapterKeywords(RerankerKeywords, total=False):
    """See `AdapterSettings`."""

    top_n: int | None
    score_threshold: float | None
