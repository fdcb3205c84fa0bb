"""Spans, as an exporter in memory gets them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from langchain_core.documents import Document
from llama_index.core.schema import NodeWithScore, TextNode
from openinference.semconv.trace import (
    DocumentAttributes,
    OpenInferenceSpanKindValues,
    RerankerAttributes,
    SpanAttributes,
)
from opentelemetry import trace
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import langchain_qwen_rerank
import llama_index_qwen_rerank
from qwen_rerank import InvalidInputError, ScorerError, ScorerUnavailableError, load
from qwen_rerank.testing import FakeScorer
from tests.examples.pages import ROOT, blocks_of
from tests.remote.servers import Server, own, running
from tests.server.running import serving

QUERY = "red wine"
DOCUMENTS = ["blue sky", "red wine", "red apple"]
TEXTS = [QUERY, *DOCUMENTS]


def attributes_of(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def the_rerank(spans: InMemorySpanExporter) -> ReadableSpan:
    [span] = [span for span in spans.get_finished_spans() if span.name == "rerank"]
    return span


def test_a_rerank_is_a_span_of_numbers(spans: InMemorySpanExporter) -> None:
    load(scorer=FakeScorer()).rerank(QUERY, DOCUMENTS, top_n=2)
    span = the_rerank(spans)
    found = attributes_of(span)
    output = f"{RerankerAttributes.RERANKER_OUTPUT_DOCUMENTS}.1"
    assert found[SpanAttributes.OPENINFERENCE_SPAN_KIND] == (
        OpenInferenceSpanKindValues.RERANKER.value
    )
    assert found[RerankerAttributes.RERANKER_MODEL_NAME] == "FakeScorer"
    assert found[RerankerAttributes.RERANKER_TOP_K] == 2
    assert found[f"{output}.{DocumentAttributes.DOCUMENT_ID}"] == "2"
    assert found[f"{output}.{DocumentAttributes.DOCUMENT_SCORE}"] == 0.5
    assert (found["qwen_rerank.documents"], found["qwen_rerank.without_score"]) == (3, 0)
    assert not any(text in span.to_json() for text in TEXTS)


def test_texts_are_there_when_a_setting_wants_them(spans: InMemorySpanExporter) -> None:
    load(scorer=FakeScorer(), trace_texts=True, instruction="Find drinks").rerank(QUERY, DOCUMENTS)
    found = attributes_of(the_rerank(spans))
    content = DocumentAttributes.DOCUMENT_CONTENT
    assert found[RerankerAttributes.RERANKER_QUERY] == QUERY
    assert found["qwen_rerank.instruction"] == "Find drinks"
    for place, document in enumerate(DOCUMENTS):
        key = f"{RerankerAttributes.RERANKER_INPUT_DOCUMENTS}.{place}.{content}"
        assert found[key] == document
    assert found[f"{RerankerAttributes.RERANKER_OUTPUT_DOCUMENTS}.0.{content}"] == "red wine"


def test_a_long_list_does_not_push_out_other_attributes(spans: InMemorySpanExporter) -> None:
    documents = [f"wine {number}" for number in range(200)]
    load(scorer=FakeScorer(), trace_texts=True).rerank(QUERY, documents)
    found = attributes_of(the_rerank(spans))
    assert found[SpanAttributes.OPENINFERENCE_SPAN_KIND] == "RERANKER"
    assert found["qwen_rerank.documents"] == 200
    assert the_rerank(spans).dropped_attributes == 0


def with_langchain() -> None:
    found = [Document(text) for text in DOCUMENTS]
    langchain_qwen_rerank.QwenRerank(scorer=FakeScorer()).compress_documents(found, QUERY)


def with_llama_index() -> None:
    found = [NodeWithScore(node=TextNode(text=text)) for text in DOCUMENTS]
    reranker = llama_index_qwen_rerank.QwenRerank(scorer=FakeScorer())
    reranker.postprocess_nodes(found, query_str=QUERY)


@pytest.mark.parametrize("rerank", [with_langchain, with_llama_index])
def test_both_adapters_rerank_below_the_current_span(
    rerank: Callable[[], None], spans: InMemorySpanExporter
) -> None:
    with trace.get_tracer("test").start_as_current_span("pipeline") as pipeline:
        rerank()
    span = the_rerank(spans)
    assert span.parent is not None
    assert span.parent.span_id == pipeline.get_span_context().span_id
    assert attributes_of(span)[RerankerAttributes.RERANKER_TOP_K] == 5


async def test_an_async_rerank_stays_below_the_current_span(spans: InMemorySpanExporter) -> None:
    with trace.get_tracer("test").start_as_current_span("pipeline") as pipeline:
        await load(scorer=FakeScorer()).arerank(QUERY, DOCUMENTS)
    parent = the_rerank(spans).parent
    assert parent is not None
    assert parent.span_id == pipeline.get_span_context().span_id


def test_several_phrasings_are_one_span(spans: InMemorySpanExporter) -> None:
    load(scorer=FakeScorer()).rerank_queries([QUERY, "a drink"], DOCUMENTS)
    found = attributes_of(the_rerank(spans))
    assert (found["qwen_rerank.queries"], found["qwen_rerank.documents"]) == (2, 6)


def test_an_outage_that_keeps_the_order_shows(spans: InMemorySpanExporter) -> None:
    scorer = FakeScorer(error=ScorerUnavailableError("the server is down"))
    load(scorer=scorer, on_error="original_order").rerank(QUERY, DOCUMENTS)
    span = the_rerank(spans)
    assert attributes_of(span)["qwen_rerank.without_score"] == 3
    assert span.status.status_code is StatusCode.UNSET


def test_an_error_is_named_without_its_message(spans: InMemorySpanExporter) -> None:
    scorer = FakeScorer(error=ScorerError("a document was: blue sky"))
    with pytest.raises(ScorerError):
        load(scorer=scorer, on_error="raise").rerank(QUERY, DOCUMENTS)
    span = the_rerank(spans)
    assert span.status.status_code is StatusCode.ERROR
    assert attributes_of(span)["error.type"] == "ScorerError"
    assert "blue sky" not in span.to_json()


def test_wrong_input_is_no_rerank(spans: InMemorySpanExporter) -> None:
    with pytest.raises(InvalidInputError):
        load(scorer=FakeScorer()).rerank("", DOCUMENTS)
    assert not spans.get_finished_spans()


def remote(server: Server, **settings: Any) -> None:
    reranker = load(base_url=server.url, dialect="qwen-rerank", canary=False, **settings)
    reranker.rerank(QUERY, DOCUMENTS)


def test_a_server_gets_the_context_of_its_exchange(spans: InMemorySpanExporter) -> None:
    with own() as server:
        remote(server)
    [exchange] = [span for span in spans.get_finished_spans() if span.kind is SpanKind.CLIENT]
    rerank = the_rerank(spans)
    assert exchange.parent is not None
    assert exchange.parent.span_id == rerank.context.span_id
    assert attributes_of(exchange)["http.response.status_code"] == 200
    assert attributes_of(exchange)["url.full"] == f"{server.url}/rerank"
    _, trace_id, span_id, _ = server.received[0].headers["traceparent"].split("-")
    assert (int(trace_id, 16), int(span_id, 16)) == (
        exchange.context.trace_id,
        exchange.context.span_id,
    )


def refusing() -> AbstractContextManager[Server]:
    return running(lambda received: (500, {"detail": "broken"}))


def test_a_failed_exchange_shows_its_status(spans: InMemorySpanExporter) -> None:
    with refusing() as server:
        remote(server, max_retries=1)
    exchanges = [span for span in spans.get_finished_spans() if span.kind is SpanKind.CLIENT]
    assert [attributes_of(span)["error.type"] for span in exchanges] == ["500", "500"]
    assert attributes_of(the_rerank(spans))["qwen_rerank.without_score"] == 3


def test_the_server_takes_the_span_of_its_client(spans: InMemorySpanExporter) -> None:
    """Both ends are in this process: four spans of one trace, one below the other."""
    with serving(scorer=FakeScorer()) as server:
        remote(Server(server.url))
    inner, served, exchange, outer = spans.get_finished_spans()
    assert (inner.name, served.name, outer.name) == ("rerank", "POST /rerank", "rerank")
    for child, parent in [(inner, served), (served, exchange), (exchange, outer)]:
        assert child.parent is not None
        assert child.parent.span_id == parent.context.span_id
    assert not any(text in span.to_json() for span in spans.get_finished_spans() for text in TEXTS)


def test_the_spans_of_requests_stand_below_ours(spans: InMemorySpanExporter) -> None:
    RequestsInstrumentor().instrument()
    try:
        with own() as server:
            remote(server)
    finally:
        RequestsInstrumentor().uninstrument()
    inner, exchange, _ = spans.get_finished_spans()
    assert inner.parent is not None
    assert inner.parent.span_id == exchange.context.span_id


@pytest.mark.parametrize("page", ["tracing.md", "tracing.zh-CN.md"])
def test_the_snippet_of_the_page_prints_its_span(page: str) -> None:
    [code] = [block.code for block in blocks_of(ROOT / "docs" / page) if block.kind == "python"]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert '"reranker.model_name": "builtin"' in done.stdout, done.stderr


MISSING = """
import sys
sys.modules["opentelemetry"] = None
from qwen_rerank import load
from qwen_rerank.testing import FakeScorer
print(load(scorer=FakeScorer()).rerank("red wine", ["blue", "red"])[0].index)
"""
IMPORTED = "import sys, qwen_rerank; print('opentelemetry' in sys.modules)"


@pytest.mark.parametrize(("code", "printed"), [(MISSING, "1"), (IMPORTED, "False")])
def test_the_package_may_be_missing_and_is_not_imported_early(code: str, printed: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == printed, done.stderr
