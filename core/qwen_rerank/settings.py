"""Every setting, said once: both adapters, the command line and the server take these."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, EnvSettingsSource

from qwen_rerank.errors import ConfigError
from qwen_rerank.families import prompt_of
from qwen_rerank.lexical.prefilter import CutBy
from qwen_rerank.prompt import DEFAULT_MODEL, PromptSpec
from qwen_rerank.reranker import OnError
from qwen_rerank.scorers.remote.address import checked_base_url
from qwen_rerank.scorers.remote.deadline import LONGEST
from qwen_rerank.scorers.remote.dialects import AUTO, Template, checked_dialect
from qwen_rerank.scorers.remote.key import checked_key
from qwen_rerank.settings_help import add_help
from qwen_rerank.types import Scorer

VARIABLE = "QWEN_RERANK_"

_UNSHOWN = ("api_key", "base_url", "cache_url")
"""Settings whose wrong values may hold a key."""

DType = Literal["float32", "fp32", "bfloat16", "bf16", "float16", "fp16", "int8"]

LongDocuments = Literal["cut", "best_window"]

EngineName = Literal["auto", "qwen", "sentence-transformers"]


def _base_urls(value: object) -> object:
    """One URL, or several as a list or separated by commas."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple) or not all(isinstance(url, str) for url in value):
        return value
    if not value:
        raise ValueError("base_url must name at least one server, or be None")
    urls = tuple(map(checked_base_url, value))
    return urls if len(urls) > 1 else urls[0]


BaseURL = Annotated[str | tuple[str, ...], BeforeValidator(_base_urls)]


def checked_cache_url(url: SecretStr) -> SecretStr:
    """Raise ValueError unless it begins like a URL of Redis; the message does not hold it."""
    if not url.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("cache_url must be a Redis URL such as 'redis://localhost:6379/0'")
    return url


class ScorerSettings(BaseModel):
    """What it takes to make a scorer.

    A setting that is not given comes from the environment variable `QWEN_RERANK_<NAME>`,
    and else has the default below. An unknown name or a wrong value is a `ConfigError`.
    """

    model_config = ConfigDict(
        extra="forbid",
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    model: str = Field(default=DEFAULT_MODEL, min_length=1, kw_only=False)
    """A hub id, a folder, or `"builtin"` for the small model inside the package; with
    `base_url`, the name that the server knows."""
    instruction: str | None = Field(default=None, min_length=1)
    """The task in one English sentence; `None` means the model's default (web search)."""
    device: str | None = None
    """A torch device such as `"cuda:0"`; `None` takes the best there is."""
    dtype: DType | None = None
    """Number format of the products; `None` means bf16 on a GPU that has it, fp32 elsewhere.
    `"int8"` is for CPUs."""
    max_length: int = Field(default=8192, ge=1)
    """The longest prompt in tokens; a document's end is cut to fit."""
    long_documents: LongDocuments = "cut"
    """A document longer than `max_length` is `"cut"` at its end, or scored by its
    `"best_window"`."""
    prompt: Annotated[PromptSpec, BeforeValidator(prompt_of)] | None = None
    """The family of the model: `"qwen3"`, `"r3"`, `"zerank"`, `"prism"` or `"ctxl"`; or a JSON file
    or `PromptSpec` of your own. `None` finds it out from the model's name and files."""
    engine: EngineName = "auto"
    """What runs a model in this process: `"qwen"`, or `"sentence-transformers"` for encoders such
    as BGE's; `"auto"` looks at the folder and takes hub ids for Qwen's."""
    compiled: bool = False
    """Whether torch compiles the model when it loads: faster after a minute of waiting."""
    base_url: BaseURL | None = None
    """A rerank server, or several that serve the same model; `None` scores in this process."""
    api_key: Annotated[SecretStr, AfterValidator(checked_key)] | None = Field(
        default=None, exclude=True, repr=False
    )
    """The server's key, sent as a bearer token; appears in no dump, repr or message."""
    dialect: Annotated[str, AfterValidator(checked_dialect)] = AUTO
    """The kind of server; `"auto"` finds it out from the server's replies."""
    template: Template = "server"
    """Who applies Qwen3's template: `"client"` for a server that has none."""
    canary: bool = True
    """Whether a server has to score known answers right before it is believed."""
    timeout: float = Field(default=10.0, gt=0, le=LONGEST, allow_inf_nan=False)
    """Seconds that a call to a server may take, retries included."""
    max_retries: int = Field(default=2, ge=0)
    """The most further attempts after the first one, on any server."""
    fallback: str | None = Field(default=None, min_length=1)
    """A local model that scores while no server answers, such as `"builtin"`."""
    cache_ttl: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = 3600.0
    """Seconds that scores are remembered; 0 or `None` remembers nothing."""
    cache_url: Annotated[SecretStr, AfterValidator(checked_cache_url)] | None = Field(
        default=None, exclude=True, repr=False
    )
    """A Redis that remembers scores for many processes, such as `redis://localhost:6379/0`; `None`
    remembers them in this process. With a password, use the variable instead of a flag."""
    trace_texts: bool = False
    """Whether OpenTelemetry spans hold queries and documents; else they hold numbers only."""
    scorer: Scorer | None = Field(default=None, exclude=True, repr=False)
    """A scorer of your own, used instead of what the other settings describe."""

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            reason = _explain(type(self), error, data)
        else:
            return
        raise ConfigError(reason)  # pydantic's own error, which may hold the key, is gone here

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        add_help(cls)

    @property
    def model_name(self) -> str:
        """What traces call the model."""
        return self.model if self.scorer is None else type(self.scorer).__name__

    @field_validator("*", mode="before")
    @classmethod
    def _check_truth(cls, value: object, info: ValidationInfo) -> object:
        """Refuse booleans where a number is wanted: in Python, `True` is the number 1."""
        kind = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and kind not in (bool, Any) and bool not in get_args(kind):
            raise ValueError(f"{info.field_name} takes no true or false, got {value}")
        return value

    @model_validator(mode="before")
    @classmethod
    def _read_environment(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {**_environment(cls), **data}


class RerankerSettings(ScorerSettings):
    """What `load` takes: a scorer, and what an outage does."""

    on_error: OnError = "original_order"
    """Keep the retriever's order, marked as such, when no scorer answers, or `"raise"`."""
    max_candidates: Annotated[int, Field(ge=1)] | None = None
    """The most candidates to score; the rest goes below them, unscored. `None` scores all."""
    candidates_by: CutBy = "bm25"
    """Which ones `max_candidates` keeps: the best by `"bm25"`, or the first in the `"order"`."""


class AdapterSettings(RerankerSettings):
    """What an adapter takes: a reranker, and which of its results to keep."""

    top_n: Annotated[int, Field(ge=1)] | None = 5
    """The most documents to return; `None` means all."""
    score_threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    """Leave out documents that score below this value; one that equals it stays."""


def _environment(settings: type[BaseModel]) -> dict[str, Any]:
    """What the variables set; the own fields of an adapter have none."""
    owner = next(kind for kind in settings.__mro__ if kind.__name__.endswith("Settings"))
    source = EnvSettingsSource(
        cast("type[BaseSettings]", owner),
        env_prefix=VARIABLE,
        env_ignore_empty=True,
        env_parse_none_str="none",
    )
    return source()


def _explain(settings: type[BaseModel], error: ValidationError, given: dict[str, Any]) -> str:
    lines = [_explain_one(settings, dict(one), given) for one in error.errors(include_url=False)]
    return f"{settings.__name__}: {'; '.join(lines)}"


def _explain_one(settings: type[BaseModel], error: dict[str, Any], given: dict[str, Any]) -> str:
    name = str(error["loc"][0]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        near = get_close_matches(name, settings.model_fields, n=1)
        return f"unknown setting {name!r}" + (f", did you mean {near[0]!r}?" if near else "")
    came = f", got {_shown(error['input'])}" if name and name not in _UNSHOWN else ""
    source = "" if name in given else f" (from {VARIABLE}{name.upper()})"
    if error["type"] == "value_error":  # from a check of this package, which is plain already
        return f"{error['ctx']['error']}{source}"
    return f"{name}: {error['msg'].lower()}{came}{source}"


def _shown(value: object) -> str:
    """A plain value as it came; of an object only its type, for its repr may hold a key."""
    plain = isinstance(value, str | int | float | bool | None)
    return repr(value) if plain else f"a {type(value).__name__}"
