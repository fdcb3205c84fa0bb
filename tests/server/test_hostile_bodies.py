"""Bodies made to cost the server more than they cost the client."""

from __future__ import annotations

import select
import socket
import tracemalloc
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from qwen_rerank.server.body import LARGE, parse
from qwen_rerank.testing import FakeScorer
from tests.server.running import PATIENCE, Running, serving, wait_until
from tests.server.test_bad_input import JSON, said

SIZE = 2_000_000
DOCUMENTS = b'{"query": "q", "documents": ['


def many(start: bytes, item: bytes) -> bytes:
    """A list of this item that fills a body of `SIZE` bytes."""
    return start + b",".join([item] * (SIZE // (len(item) + 1))) + b"]}"


TOO_MANY = {
    "numbers": many(DOCUMENTS, b"1"),
    "objects": many(DOCUMENTS, b"{}"),
    "lists": many(DOCUMENTS, b"[]"),
    "short texts": many(DOCUMENTS, b'"ab"'),
    "texts as objects": many(DOCUMENTS, b'{"text":"a"}'),
    "texts of another API": many(b'{"query": "q", "texts": [', b"1"),
    "an ignored field": many(b'{"query": "q", "documents": ["a"], "metadata": [', b'{"k":1}'),
}
LEGITIMATE = {
    "one long text": DOCUMENTS + b'"' + b"a" * SIZE + b'"]}',
    "commas and brackets in a text": DOCUMENTS + b'"' + b"{a}," * (SIZE // 4) + b'"]}',
    "quotes in a text": DOCUMENTS + b'"' + b'\\"' * (SIZE // 2) + b'"]}',
    "a text after one that ends in a backslash": DOCUMENTS + rb'"a\\", "' + b"," * SIZE + b'"]}',
    "one emoji in each text": many(DOCUMENTS, ('"' + "a" * 990 + '😀"').encode()),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving(scorer=FakeScorer(lambda *_: 0.5), max_text=2 * SIZE) as running:
        yield running


def memory(server: Running, body: bytes, path: str = "/rerank") -> tuple[requests.Response, float]:
    """The reply, and the most memory that client and server took, in bodies."""
    tracemalloc.start()
    try:
        reply = requests.post(server.url + path, data=body, headers=JSON, timeout=60)
        return reply, tracemalloc.get_traced_memory()[1] / len(body)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", TOO_MANY)
def test_too_many_values_are_refused_before_they_are_made(server: Running, name: str) -> None:
    reply, bodies = memory(server, TOO_MANY[name])
    assert "more than 81000 values" in said(reply, 413)
    assert bodies < 10


def test_so_is_a_list_in_feedback(server: Running) -> None:
    reply, bodies = memory(server, many(b'{"id": "a", "relevant": [', b"1"), "/feedback")
    said(reply, 413)
    assert bodies < 10


@pytest.mark.parametrize("name", LEGITIMATE)
def test_what_stands_in_a_text_does_not_count(server: Running, name: str) -> None:
    reply, bodies = memory(server, LEGITIMATE[name])
    assert reply.status_code == 200, reply.text[:200]
    assert bodies < 12, "ten, and the client's copy of the reply"


def test_the_first_bad_item_is_the_only_one_named(server: Running) -> None:
    message = said(server.post({"query": "q", "documents": ["a", 1, 2, None]}), 422)
    assert "documents[1]" in message
    assert "documents[2]" not in message


@pytest.mark.parametrize("name", ["documents", "texts"])
def test_the_count_is_checked_before_the_items(server: Running, name: str) -> None:
    message = said(server.post({"query": "q", name: [1] * 10_001}), 413)
    assert "10001 documents" in message


def test_a_large_body_is_parsed_while_other_requests_are_answered(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse_after_another_request(*arguments: Any) -> Any:
        assert requests.get(server.url + "/health", timeout=PATIENCE).ok
        return parse(*arguments)

    monkeypatch.setattr("qwen_rerank.server.body.parse", parse_after_another_request)
    assert server.post({"query": "q", "documents": ["a" * LARGE]}).ok


def test_all_bodies_together_have_a_limit() -> None:
    """It is eight times the limit of one body."""
    with serving(scorer=FakeScorer(), max_body=100_000) as server:
        callers = [unfinished(server.url, 100_000, b"[" * 99_999) for _ in range(9)]
        [refused], _, _ = select.select(callers, [], [], PATIENCE)
        head, _, body = refused.recv(65_536).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in head
        assert b"too many large requests" in body
        for caller in callers:
            caller.close()
        large = {"query": "q", "documents": ["a" * 90_000]}
        wait_until(lambda: all(server.post(large).ok for _ in range(20)))


def unfinished(url: str, declared: int, sent: bytes) -> socket.socket:
    """A client that has sent a part of its body."""
    place = urlsplit(url)
    caller = socket.create_connection((place.hostname, place.port), timeout=PATIENCE)
    head = f"POST /rerank HTTP/1.1\r\nHost: localhost\r\nContent-Length: {declared}\r\n"
    caller.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + sent)
    return caller
