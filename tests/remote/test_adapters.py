"""Every fault through both adapters: no document is lost, and each says what happened to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from langchain_core.documents import Document
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

import langchain_qwen_rerank
import llama_index_qwen_rerank
from qwen_rerank import AdapterSettings, ScorerError
from tests.remote.faults import FAULTS, Fault
from tests.remote.test_faults import DOCUMENTS, GRACE, QUERY, RANKING, timeout_of

TIMEOUT = 3.0
"""Seconds for what only a deadline ends: one after the other, these would be late."""
THREADS = ThreadPoolExecutor(len(FAULTS))

Outcome = list[tuple[str, str | None]] | ScorerError
"""Each text with the reason why it was not reranked."""


async def on_a_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(THREADS, function, *arguments)


async def langchain_async(**settings: Any) -> Outcome:
    compressor = langchain_qwen_rerank.QwenRerank(**settings)
    documents = [Document(text) for text in DOCUMENTS]
    found = await compressor.acompress_documents(documents, QUERY)
    return [(d.page_content, d.metadata.get("rerank_error")) for d in found]


async def langchain_sync(**settings: Any) -> Outcome:
    compressor = langchain_qwen_rerank.QwenRerank(**settings)
    documents = [Document(text) for text in DOCUMENTS]
    found = await on_a_thread(compressor.compress_documents, documents, QUERY)
    return [(d.page_content, d.metadata.get("rerank_error")) for d in found]


async def llama_index_async(**settings: Any) -> Outcome:
    postprocessor = llama_index_qwen_rerank.QwenRerank(**settings)
    nodes = [NodeWithScore(node=TextNode(text=text), score=0.1) for text in DOCUMENTS]
    found = await postprocessor.apostprocess_nodes(nodes, QueryBundle(QUERY))
    return [(n.node.get_content(), n.node.metadata.get("rerank_error")) for n in found]


async def llama_index_sync(**settings: Any) -> Outcome:
    postprocessor = llama_index_qwen_rerank.QwenRerank(**settings)
    nodes = [NodeWithScore(node=TextNode(text=text), score=0.1) for text in DOCUMENTS]
    call = on_a_thread(postprocessor.postprocess_nodes, nodes, QueryBundle(QUERY))
    return [(n.node.get_content(), n.node.metadata.get("rerank_error")) for n in await call]


async def ended(call: Callable[..., Awaitable[Outcome]], **settings: Any) -> tuple[Outcome, float]:
    """What became of a call, and when."""
    try:
        return await call(**settings), time.monotonic()
    except ScorerError as error:
        return error, time.monotonic()


@pytest.mark.parametrize("on_error", ["original_order", "raise"])
@pytest.mark.parametrize(
    "call",
    [langchain_sync, langchain_async, llama_index_sync, llama_index_async],
    ids=lambda call: call.__name__,
)
async def test_every_fault(call: Callable[..., Awaitable[Outcome]], on_error: str) -> None:
    """All faults at once: one that held a thread or the loop would make the others late."""
    settings = {"dialect": "qwen-rerank", "canary": False, "on_error": on_error}
    with ExitStack() as stack:
        urls = [stack.enter_context(fault.serve()) for fault in FAULTS]
        calls = [
            ended(call, base_url=url, timeout=timeout_of(fault, TIMEOUT), **settings)
            for fault, url in zip(FAULTS, urls, strict=True)
        ]
        start = time.monotonic()
        outcomes = await asyncio.gather(*calls)
    late = {
        str(f): end - start
        for f, (_, end) in zip(FAULTS, outcomes, strict=True)
        if end - start > timeout_of(f, TIMEOUT) + GRACE
    }
    wrong = {
        str(f): got
        for f, (got, _) in zip(FAULTS, outcomes, strict=True)
        if not as_promised(f, got, on_error)
    }
    assert (wrong, late) == ({}, {})


def as_promised(fault: Fault, got: Outcome, on_error: str) -> bool:
    if fault.error is None:
        return got == [(DOCUMENTS[place], None) for place in RANKING]
    if isinstance(got, ScorerError):
        return on_error == "raise" and type(got) is fault.error
    in_order = [text for text, _ in got] == DOCUMENTS
    return in_order and all(fault.error.__name__ in str(reason) for _, reason in got)


def test_all_settings_of_a_server_reach_both_adapters() -> None:
    for adapter in (langchain_qwen_rerank.QwenRerank, llama_index_qwen_rerank.QwenRerank):
        assert set(AdapterSettings.model_fields) <= set(adapter.model_fields)
