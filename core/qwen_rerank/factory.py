"""The one place that turns settings into objects."""

from __future__ import annotations

from typing import Any, Unpack

from qwen_rerank.errors import ConfigError
from qwen_rerank.families import family_of
from qwen_rerank.keywords import RerankerKeywords
from qwen_rerank.lexical.prefilter import Prefilter
from qwen_rerank.prompt import QWEN3, PromptSpec
from qwen_rerank.reranker import Reranker
from qwen_rerank.scorers.cached import CachedScorer
from qwen_rerank.scorers.fallback import FallbackScorer
from qwen_rerank.scorers.local.cross_encoder import CrossEncoderScorer, is_cross_encoder
from qwen_rerank.scorers.local.scorer import LocalScorer
from qwen_rerank.scorers.local.windows import WindowScorer
from qwen_rerank.scorers.redis_store import RedisStore
from qwen_rerank.scorers.remote.scorer import RemoteScorer
from qwen_rerank.scorers.score_store import MemoryStore
from qwen_rerank.settings import RerankerSettings, ScorerSettings
from qwen_rerank.tracing import Tracing
from qwen_rerank.types import Scorer


def load(settings: ScorerSettings | None = None, /, **fields: Unpack[RerankerKeywords]) -> Reranker:
    """Make a reranker from settings.

    Does no I/O: a model loads, and a server is asked, when the first documents come.

    Args:
        settings: All settings in one object.
        **fields: Or the settings by name; `help(qwen_rerank.RerankerSettings)` lists them.

    Raises:
        ConfigError: A setting is unknown or has a wrong value.
        MissingDependencyError: The scorer needs a package; the message names the extra.
    """
    if settings is not None and fields:
        raise ConfigError("load takes either a settings object or settings by name, got both")
    given: dict[str, Any] = dict(fields)  # pydantic turns what came into the types of the fields
    chosen = settings or RerankerSettings(**given)
    if not isinstance(chosen, RerankerSettings):  # no on_error among them: errors are raised
        return Reranker(
            load_scorer(chosen), instruction=chosen.instruction, tracing=_tracing(chosen)
        )
    return Reranker(
        load_scorer(chosen),
        instruction=chosen.instruction,
        on_error=chosen.on_error,
        prefilter=_prefilter(chosen),
        tracing=_tracing(chosen),
    )


def load_scorer(settings: ScorerSettings) -> Scorer:
    """The scorer that these settings describe."""
    if settings.scorer is not None:
        return settings.scorer
    if settings.base_url is not None and settings.long_documents != "cut":
        raise ConfigError(
            "long_documents needs the model in this process: with base_url, set it on the server"
        )
    if settings.base_url is None:
        return _cached(_local(settings, settings.model, settings.prompt), settings)
    remote = _cached(_remote(settings), settings)
    if settings.fallback is None:
        return remote
    return FallbackScorer(remote, _cached(_local(settings, settings.fallback), settings))


def _prefilter(settings: RerankerSettings) -> Prefilter | None:
    if settings.max_candidates is None:
        return None
    return Prefilter(settings.max_candidates, settings.candidates_by)


def _tracing(settings: ScorerSettings) -> Tracing:
    return Tracing(settings.model_name, settings.trace_texts)


def _local(settings: ScorerSettings, model: str, prompt: PromptSpec | None = None) -> Scorer:
    encoder = settings.engine == "auto" and prompt is None and is_cross_encoder(model)
    if encoder or settings.engine == "sentence-transformers":
        return _cross_encoder(settings, model)
    kind = LocalScorer if settings.long_documents == "cut" else WindowScorer
    return kind(
        model,
        device=settings.device,
        dtype=settings.dtype,
        max_length=settings.max_length,
        prompt=prompt,
        compiled=settings.compiled,
    )


def _cross_encoder(settings: ScorerSettings, model: str) -> Scorer:
    for name in ("long_documents", "prompt", "compiled"):
        if getattr(settings, name) != ScorerSettings.model_fields[name].default:
            raise ConfigError(
                f"{name} does not apply to {model}: it is run by sentence-transformers"
            )
    return CrossEncoderScorer(model, settings.device, settings.dtype, settings.max_length)


def _remote(settings: ScorerSettings) -> Scorer:
    assert settings.base_url is not None  # noqa: S101 - looked at by the caller
    return RemoteScorer(
        settings.base_url,
        model=settings.model,
        api_key=settings.api_key,
        dialect=settings.dialect,
        template=settings.template,
        timeout=settings.timeout,
        max_retries=settings.max_retries,
        canary=settings.canary,
        max_length=settings.max_length,
        prompt=_prompt(settings),
    )


def _prompt(settings: ScorerSettings) -> PromptSpec:
    """For a server that has no template."""
    return settings.prompt or family_of(settings.model) or QWEN3


def _cached(scorer: Scorer, settings: ScorerSettings) -> Scorer:
    """Each scorer has its own cache below a fallback, so that scores of two models never mix."""
    if not settings.cache_ttl:
        return scorer
    if settings.cache_url is None:
        return CachedScorer(scorer, MemoryStore(settings.cache_ttl))
    url = settings.cache_url.get_secret_value()
    return CachedScorer(scorer, RedisStore(url, settings.cache_ttl))
