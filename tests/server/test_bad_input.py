"""Whatever comes, the answer is JSON with a text in it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from qwen_rerank.testing import FakeScorer
from tests.server.running import PATIENCE, Running, serving

PATHS = {
    "/rerank": "POST",
    "/v1/rerank": "POST",
    "/v2/rerank": "POST",
    "/feedback": "POST",
    "/health": "GET",
    "/ready": "GET",
    "/metrics": "GET",
    "/openapi.json": "GET",
}
GOOD: dict[str, Any] = {"query": "q", "documents": ["d"]}
JSON = {"Content-Type": "application/json"}

BODIES: dict[str, tuple[bytes, int]] = {
    "not JSON": (b"{", 400),
    "empty": (b"", 400),
    "not UTF-8": (b'{"query": "\xff\xfe"}', 400),
    "a NUL between fields": (b'{"query": "a",\x00 "documents": ["d"]}', 400),
    "deeply nested": (b"[" * 50_000, 400),
    "too many brackets": (b"[" * 100_000, 413),
    "a number": (b"7", 422),
    "null": (b"null", 422),
    "a list": (b"[]", 422),
    "nothing in it": (b"{}", 422),
}
FIELDS: dict[str, tuple[dict[str, Any], int]] = {
    "query is a number": ({"query": 3}, 422),
    "query is null": ({"query": None}, 422),
    "query is blank": ({"query": " \n"}, 422),
    "query is empty": ({"query": ""}, 422),
    "documents is a text": ({"documents": "abc"}, 422),
    "documents is null": ({"documents": None}, 422),
    "no documents": ({"documents": []}, 422),
    "a document is a number": ({"documents": ["a", 3]}, 422),
    "a document is null": ({"documents": [None]}, 422),
    "a document without text": ({"documents": [{"body": "a"}]}, 422),
    "10,001 documents": ({"documents": ["d"] * 10_001}, 413),
    "a long query": ({"query": "q" * 200_001}, 413),
    "a blank instruction": ({"instruction": " "}, 422),
    "top_n is 0": ({"top_n": 0}, 422),
    "top_n is a text": ({"top_n": "3"}, 422),
    "top_n is a fraction": ({"top_n": 1.5}, 422),
    "top_n is true": ({"top_n": True}, 422),
    "threshold above 1": ({"score_threshold": 1.01}, 422),
    "threshold is NaN": ({"score_threshold": float("nan")}, 422),
    "threshold is infinite": ({"score_threshold": float("inf")}, 422),
}


def said(reply: requests.Response, status: int) -> str:
    """The message of an error, which must be what every client can read."""
    assert reply.status_code == status, reply.text[:300]
    assert reply.headers["content-type"] == "application/json"
    body = reply.json()
    assert isinstance(body["detail"], str)
    assert body["error"]["message"] == body["detail"]
    assert "Traceback" not in reply.text
    assert ".py" not in reply.text
    return str(body["detail"])


@pytest.fixture(scope="module")
def fake() -> Iterator[Running]:
    with serving(scorer=FakeScorer()) as running:
        yield running


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
@pytest.mark.parametrize("name", BODIES)
def test_bodies(fake: Running, path: str, name: str) -> None:
    data, status = BODIES[name]
    said(requests.post(fake.url + path, data=data, headers=JSON, timeout=30), status)


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
@pytest.mark.parametrize("name", FIELDS)
def test_fields(fake: Running, path: str, name: str) -> None:
    fields, status = FIELDS[name]
    data = json.dumps({**GOOD, **fields})
    message = said(requests.post(fake.url + path, data=data, headers=JSON, timeout=30), status)
    assert len(message) < 400, "an error does not send the input back"


@pytest.mark.parametrize("nul", [b"\x00", b"\\u0000"], ids=["raw", "escaped"])
def test_a_nul_in_a_text_is_a_character(fake: Running, nul: bytes) -> None:
    data = b'{"query": "a%sb", "documents": ["a%sb", "ab"]}' % (nul, nul)
    reply = requests.post(fake.url + "/rerank", data=data, headers=JSON, timeout=30).json()
    rows = [(row["document"], row["score"]) for row in reply["reranked_documents"]]
    assert rows == [("a\0b", 1), ("ab", 0)]


@pytest.mark.parametrize("name", ["documents", "texts"])
def test_half_an_emoji_becomes_a_replacement_character(fake: Running, name: str) -> None:
    """JavaScript clients cut texts in the middle of an emoji."""
    body = {"query": "a\ud83d", "instruction": "\ude00", name: ["b", "a\ud83d"]}
    options = {"return_documents": True, "return_text": True}
    data = json.dumps(body | options).encode()
    reply = requests.post(fake.url + "/rerank", data=data, headers=JSON, timeout=30)
    assert reply.status_code == 200
    assert "a\ufffd" in reply.text


@pytest.mark.parametrize("score", [float("nan"), 1.5, -0.1])
def test_no_nonsense_of_the_model_goes_out(score: float) -> None:
    with serving(scorer=FakeScorer(lambda *_: score)) as broken:
        assert "server's log" in said(broken.post(GOOD), 502)


@pytest.mark.parametrize("texts", [None, "abc", [], [3]])
def test_texts(fake: Running, texts: Any) -> None:
    data = json.dumps({"query": "q", "texts": texts})
    said(requests.post(fake.url + "/rerank", data=data, headers=JSON, timeout=30), 422)


def test_the_message_names_the_place(fake: Running) -> None:
    message = said(fake.post({"query": "q", "documents": ["a", 3]}), 422)
    assert "documents[1]" in message
    assert "query" in said(fake.post({"documents": ["a"]}), 422)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
def test_50_megabytes(fake: Running, path: str, chunked: bool) -> None:
    parts = [b"x" * 1_000_000] * 50
    data: Any = iter(parts) if chunked else b"".join(parts)
    reply = requests.post(fake.url + path, data=data, headers=JSON, timeout=30)
    assert "16000000 bytes" in said(reply, 413)
    assert fake.post(GOOD).ok


def test_a_declared_size_is_refused_before_the_body_is_asked_for(fake: Running) -> None:
    place = urlsplit(fake.url)
    with socket.create_connection((place.hostname, place.port), timeout=PATIENCE) as caller:
        caller.sendall(
            b"POST /rerank HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 50000000\r\nExpect: 100-continue\r\n\r\n"
        )
        assert caller.recv(100).startswith(b"HTTP/1.1 413 ")


def test_the_key_is_checked_before_the_body_is_read() -> None:
    with serving(scorer=FakeScorer(), server_api_key="horse") as guarded:
        place = urlsplit(guarded.url)
        with socket.create_connection((place.hostname, place.port), timeout=PATIENCE) as caller:
            caller.sendall(
                b"POST /rerank HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: 1000\r\n\r\n"
            )
            assert caller.recv(100).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_form_of_another_site_is_refused(fake: Running, kind: str) -> None:
    data = json.dumps(GOOD).encode()
    headers = {"Content-Type": kind} if kind else {}
    said(requests.post(fake.url + "/rerank", data=data, headers=headers, timeout=30), 415)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_wrong_methods(fake: Running, path: str, method: str) -> None:
    if method != PATHS[path]:
        reply = requests.request(method, fake.url + path, timeout=30)
        said(reply, 405)
        assert PATHS[path] in reply.headers["Allow"]


@pytest.mark.parametrize(
    "path", ["/v1", "/v1/nothing", "/v1/", "/v2/x/y", "/rerank/x", "/health/x", "/info/x", "//x"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unknown_paths(fake: Running, path: str, method: str) -> None:
    said(requests.request(method, fake.url + path, timeout=30, allow_redirects=False), 404)


@pytest.mark.parametrize("path", ["//rerank", "/rerank/", "/v1//rerank", "//v2/rerank//"])
def test_a_base_url_may_end_in_a_slash(fake: Running, path: str) -> None:
    reply = fake.post(GOOD, path, allow_redirects=False)
    assert len(reply.json()["results"]) == 1


def test_foreign_hosts(fake: Running) -> None:
    evil = requests.post(fake.url + "/rerank", json=GOOD, headers={"Host": "evil.example"})
    said(evil, 400)
    assert fake.post(GOOD, headers={"Host": "localhost:1"}).ok
    assert fake.post(GOOD, headers={"Host": "[::1]:8080"}).ok


def test_a_key() -> None:
    with serving(scorer=FakeScorer(), server_api_key="correct horse") as guarded:
        wrong = [
            "",
            "Bearer",
            "Bearer wrong",
            "Basic correct horse",
            "Bearer correct horse2",
            "Bearer \xff",
        ]
        for header in wrong:
            for path in ("/rerank", "/v1/rerank", "/v2/rerank", "/rerank/", "//rerank"):
                reply = guarded.post(
                    GOOD, path, headers={"Authorization": header.encode("latin-1")}
                )
                said(reply, 401)
                assert reply.headers["WWW-Authenticate"] == "Bearer"
                assert "correct" not in reply.text
        for right in ({"Authorization": "Bearer correct horse"}, {"api-key": "correct horse"}):
            assert guarded.post(GOOD, headers=right).ok
        said(guarded.post(GOOD, headers={"api-key": "correct"}), 401)
        assert requests.get(guarded.url + "/health", timeout=30).ok
        assert "correct" not in repr(guarded.service.settings)
