"""What the server takes, beside the settings of its scorer."""

from __future__ import annotations

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from qwen_rerank.reranker import OnError
from qwen_rerank.scorers.remote.key import checked_key
from qwen_rerank.scorers.score_store import HOUR
from qwen_rerank.settings import RerankerSettings

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def _checked_origins(text: str | None) -> str | None:
    for origin in _names(text):
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"} or origin != f"{parts.scheme}://{parts.netloc}":
            raise ValueError(f"cors_origin takes origins such as https://app.example, got {origin}")
    return text


def _names(text: str | None) -> list[str]:
    """The parts of a text between its commas."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


class ServerSettings(RerankerSettings):
    """A reranker's settings and the server's own; the rules of `ScorerSettings` hold for both."""

    host: str = Field(default="127.0.0.1", min_length=1)
    """The address to listen on; `0.0.0.0` opens the server to the network."""
    port: int = Field(default=8080, ge=0, le=65535)
    """The port; 0 takes a free one."""
    ui: bool = True
    """Whether the page is served beside the REST API."""
    compare_model: str | None = Field(default=None, min_length=1)
    """A second model, which visitors of the page can compare with; it loads when they do."""
    server_api_key: Annotated[SecretStr, AfterValidator(checked_key)] | None = Field(
        default=None, exclude=True, repr=False
    )
    """The key that clients must send as a bearer token; `None` asks for none."""
    allowed_hosts: str | None = None
    """Host names that requests may be addressed to, separated by commas; `None` means this
    machine's loopback names when listening on loopback, and any name otherwise."""
    cors_origin: Annotated[str | None, AfterValidator(_checked_origins)] = None
    """Origins such as `https://app.example`, separated by commas, whose pages may use this
    server from a visitor's browser; `None` means this server's own page only."""
    max_connections: int = Field(default=1000, ge=1)
    """The most connections; never more than half of the files that the process may open."""
    max_documents: int = Field(default=10_000, ge=1)
    """The most documents in a request."""
    max_text: int = Field(default=200_000, ge=1)
    """The most characters in a query, an instruction or a document."""
    max_body: int = Field(default=16_000_000, ge=1)
    """The most bytes in a request's body."""
    max_queue: int = Field(default=20_000, ge=1)
    """The most documents that may wait for the model; never less than `max_documents`."""
    deadline: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    """Seconds within which a request is answered or refused."""
    feedback: str | None = Field(default=None, min_length=1)
    """A file that keeps rankings and the feedback on them; `None` keeps none."""
    feedback_texts: bool = False
    """Whether that file keeps queries and documents, too; an export needs them."""
    on_error: OnError = "raise"
    """Reply with an error when the model gives no scores, or keep the `"original_order"`."""
    cache_ttl: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Seconds that scores are remembered. Off by default, since clients remember scores; an hour
    if `cache_url` is set."""

    @model_validator(mode="after")
    def _remember_in_redis(self) -> Self:
        if self.cache_url is not None and "cache_ttl" not in self.model_fields_set:
            self.cache_ttl = HOUR
        return self

    @property
    def hosts(self) -> list[str]:
        """The host names to answer to; `["*"]` means any."""
        if self.allowed_hosts:
            return _names(self.allowed_hosts)
        return ["localhost", "127.0.0.1", "[::1]", "::1"] if self.host in LOOPBACK else ["*"]

    @property
    def origins(self) -> list[str]:
        """The origins of `cors_origin`."""
        return _names(self.cors_origin)
