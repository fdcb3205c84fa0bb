"""OpenTelemetry spans. Without the package `opentelemetry-api`, nothing here does anything.

A rerank is a RERANKER span with the attributes of OpenInference. Each exchange with a server is a
client span below it, and the server gets its context in the `traceparent` header.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from qwen_rerank.types import RerankRequest, RerankResult

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

MAX_DOCUMENTS = 24
"""The most documents of a list in a span: SDKs keep 128 attributes of a span by default."""

Attributes = dict[str, str | int | float | bool]
Note = Callable[[Sequence[Sequence[RerankResult]]], None]
"""Tells a span the rankings, one for each query."""


@dataclass(frozen=True, slots=True)
class Tracing:
    """What the spans of a reranker hold.

    Args:
        model: The name of the model; `None` leaves it out.
        texts: Whether they hold queries and documents, besides numbers.
    """

    model: str | None = None
    texts: bool = False

    @contextmanager
    def reranking(self, requests: Sequence[RerankRequest], top_n: int | None) -> Iterator[Note]:
        """The span of one call that ranks the documents of each request."""
        with _span("rerank") as span:
            if span is None:
                yield lambda _: None  # there is no span to tell
                return
            span.set_attributes(self._given(requests, top_n))
            yield lambda rankings: span.set_attributes(self._found(requests, rankings))

    def _given(self, requests: Sequence[RerankRequest], top_n: int | None) -> Attributes:
        attributes: Attributes = {
            "openinference.span.kind": "RERANKER",
            "qwen_rerank.queries": len(requests),
            "qwen_rerank.documents": sum(len(request.documents) for request in requests),
        }
        if self.model is not None:
            attributes["reranker.model_name"] = self.model
        if top_n is not None:
            attributes["reranker.top_k"] = top_n
        if self.texts and len(requests) == 1:
            attributes |= _texts(requests[0])
        return attributes

    def _found(
        self, requests: Sequence[RerankRequest], rankings: Sequence[Sequence[RerankResult]]
    ) -> Attributes:
        results = [result for ranking in rankings for result in ranking]
        attributes: Attributes = {
            "qwen_rerank.without_score": sum(result.score is None for result in results),
            "qwen_rerank.fallback": any(result.fallback is not None for result in results),
        }
        if len(requests) == 1:
            for rank, result in enumerate(results[:MAX_DOCUMENTS]):
                attributes |= self._output(rank, result, requests[0])
        return attributes

    def _output(self, rank: int, result: RerankResult, request: RerankRequest) -> Attributes:
        document = f"reranker.output_documents.{rank}.document"
        attributes: Attributes = {f"{document}.id": str(result.index)}
        if result.score is not None:
            attributes[f"{document}.score"] = result.score
        if self.texts:
            attributes[f"{document}.content"] = request.documents[result.index]
        return attributes


@dataclass(frozen=True, slots=True)
class ExchangeSpan:
    """The span of one HTTP exchange; empty headers and no effect where nothing is traced."""

    headers: Mapping[str, str]
    """For the server, `traceparent` among them."""
    _span: Span | None = None

    def ended(self, status: int | None) -> None:
        """Note the status of the reply; `None` means that no complete reply came."""
        if self._span is None:
            return
        if status is not None:
            self._span.set_attribute("http.response.status_code", status)
        if status is None or status >= 400:
            _fail(self._span, "no_reply" if status is None else str(status))


@contextmanager
def exchange_span(url: str) -> Iterator[ExchangeSpan]:
    """The span of one POST to a server; the propagators of the application write the headers."""
    if _tracer() is None:
        yield ExchangeSpan({})
        return
    from opentelemetry.propagate import inject
    from opentelemetry.trace import SpanKind

    headers: dict[str, str] = {}
    with _span("POST", kind=SpanKind.CLIENT) as span:
        if span is not None:
            span.set_attributes(_post_attributes(url))
        inject(headers)
        yield ExchangeSpan(headers, span)


@contextmanager
def _span(name: str, **options: Any) -> Iterator[Span | None]:
    """A current span; `None` where nobody records. Of an exception it holds the class alone.

    The message of an exception may quote a user's text.
    """
    tracer = _tracer()
    if tracer is None:
        yield None
        return
    with tracer.start_as_current_span(
        name, record_exception=False, set_status_on_exception=False, **options
    ) as span:
        try:
            yield span if span.is_recording() else None
        except BaseException as error:
            _fail(span, type(error).__name__)
            raise


def _post_attributes(url: str) -> Attributes:
    parts = urlsplit(url)
    return {
        "http.request.method": "POST",
        "url.full": url,
        "server.address": parts.hostname or "",
        "server.port": parts.port or (443 if parts.scheme == "https" else 80),
    }


def _fail(span: Span, error_type: str) -> None:
    from opentelemetry.trace import StatusCode

    span.set_attribute("error.type", error_type)
    span.set_status(StatusCode.ERROR)


def _texts(request: RerankRequest) -> Attributes:
    attributes: Attributes = {"reranker.query": request.query}
    if request.instruction is not None:
        attributes["qwen_rerank.instruction"] = request.instruction
    for place, text in enumerate(request.documents[:MAX_DOCUMENTS]):
        attributes[f"reranker.input_documents.{place}.document.id"] = str(place)
        attributes[f"reranker.input_documents.{place}.document.content"] = text
    return attributes


@cache
def _tracer() -> Tracer | None:
    """Imported at the first rerank, so that importing this package stays cheap.

    One for the whole process: it finds the provider that the application sets later.
    """
    try:
        from opentelemetry.trace import get_tracer
    except ImportError:
        return None
    return get_tracer("qwen_rerank")
