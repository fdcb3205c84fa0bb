"""Everything that a server or a network may do to a caller, one `Fault` each.

The table is what docs/remote.md promises; the tests of the scorer and of the adapters run it.
"""

from __future__ import annotations

import json
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from functools import cache
from typing import Any

from qwen_rerank import (
    BadScoresError,
    RemoteRejectedError,
    ScorerError,
    ScorerUnavailableError,
)
from tests.remote.fault_server import (
    Handler,
    Received,
    answer_well,
    overlap_items,
    reset,
    send_reply,
    serving,
)
from tests.remote.self_signed import self_signed

BAD, GONE, NO = BadScoresError, ScorerUnavailableError, RemoteRejectedError


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, and what a caller with `on_error="raise"` gets."""

    name: str
    serve: Callable[[], AbstractContextManager[str]]
    """Starts whatever does it; gives the base URL."""
    error: type[ScorerError] | None
    """`None`: a complete ranking, after all."""
    status: int | None = None
    """What a RemoteRejectedError carries."""
    hangs: bool = False
    """Whether nothing but the caller's deadline ends it soon."""

    def __str__(self) -> str:
        return self.name


def _fault(
    name: str, handler: Handler, error: type[ScorerError] | None, status: int | None = None
) -> Fault:
    return Fault(name, lambda: serving(handler), error, status)


def _hanging(name: str, handler: Handler, *, greet: bool = True) -> Fault:
    return Fault(name, lambda: serving(handler, greet=greet), GONE, hangs=True)


@contextmanager
def _refused() -> Iterator[str]:
    """Bound but not listening: it refuses, and no other server is given its port."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{mute.getsockname()[1]}"


@contextmanager
def _no_such_host() -> Iterator[str]:
    yield "http://qwen-rerank.invalid:8000"


@contextmanager
def _full_backlog() -> Iterator[str]:
    """Linux drops connection requests while a listener's queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        time.sleep(0.05)
        yield f"http://127.0.0.1:{address[1]}"
        for filler in fillers:
            filler.close()


def _hang(connection: socket.socket, received: Received) -> None:
    time.sleep(30)


def _drip(connection: socket.socket, text: bytes) -> None:
    """One byte every 0.1 s: no single read ever times out."""
    for place in range(len(text)):
        connection.sendall(text[place : place + 1])
        time.sleep(0.1)


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def _drip_headers(connection: socket.socket, received: Received) -> None:
    _drip(connection, _HEAD * 10)


def _drip_body(connection: socket.socket, received: Received) -> None:
    connection.sendall(_HEAD + b"Content-Length: 300\r\n\r\n")
    _drip(connection, b" " * 300)


def _drip_chunks(connection: socket.socket, received: Received) -> None:
    connection.sendall(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    _drip(connection, b"1\r\n \r\n" * 50)


def _only_interim_replies(connection: socket.socket, received: Received) -> None:
    """http.client reads over a 100, however many there are."""
    for _ in range(300):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.1)


def _early_hints(connection: socket.socket, received: Received) -> None:
    """The final reply comes when another request is sent on the connection."""
    connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    if connection.recv(65536):
        answer_well(connection, received)


def _reset_before(connection: socket.socket, received: Received) -> None:
    reset(connection)


def _reset_in_body(connection: socket.socket, received: Received) -> None:
    connection.sendall(_HEAD + b'Content-Length: 300\r\n\r\n{"reranked_')
    time.sleep(0.05)
    reset(connection)


def _truncated(connection: socket.socket, received: Received) -> None:
    connection.sendall(_HEAD + b'Content-Length: 300\r\n\r\n{"reranked_')


def _closed_at_once(connection: socket.socket, received: Received) -> None:
    return


def _endless(head: bytes, part: bytes) -> Handler:
    def handler(connection: socket.socket, received: Received) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(part)

    return handler


def _bomb() -> AbstractContextManager[str]:
    """Compressed before the call, for that takes seconds."""
    return serving(_body(_blanks(), Content_Encoding="gzip"))


@cache
def _blanks() -> bytes:
    """200 MB of blanks, compressed piece by piece: this process is the one that is measured."""
    packer = zlib.compressobj(1, wbits=31)
    return b"".join([*(packer.compress(b" " * (1 << 20)) for _ in range(200)), packer.flush()])


def _body(body: bytes, status: int = 200, **headers: str | int) -> Handler:
    return lambda connection, received: send_reply(connection, body, status, **headers)


def _items(change: Callable[[list[dict[str, Any]]], object]) -> Handler:
    """The right answer with one thing changed."""

    def handler(connection: socket.socket, received: Received) -> None:
        items = overlap_items(received)
        change(items)
        send_reply(connection, json.dumps({"reranked_documents": items}).encode())

    return handler


def _score(text: str) -> Handler:
    """The right answer with one score written like this."""

    def handler(connection: socket.socket, received: Received) -> None:
        items = overlap_items(received)
        items[0]["score"] = "here"
        body = json.dumps({"reranked_documents": items}).replace('"here"', text)
        send_reply(connection, body.encode())

    return handler


def _index(value: object) -> Handler:
    return _items(lambda items: items[0].update(index=value))


def _status(status: int, **headers: str | int) -> Handler:
    return _body(b'{"error": {"message": "no"}}', status, **headers)


def _once(first: Handler) -> Callable[[], AbstractContextManager[str]]:
    """Goes wrong for the first request, and well for all later ones."""

    def serve() -> AbstractContextManager[str]:
        handlers = [first]

        def handler(connection: socket.socket, received: Received) -> None:
            (handlers.pop() if handlers else answer_well)(connection, received)

        return serving(handler)

    return serve


def _in_a_second(connection: socket.socket, received: Received) -> None:
    _status(503, Retry_After=formatdate(time.time() + 1, usegmt=True))(connection, received)


_CHUNKED = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
_FAR = "Fri, 01 Jan 2099 00:00:00 GMT"

NETWORK = [
    Fault("refused", _refused, GONE),
    Fault("name that does not resolve", _no_such_host, GONE),
    Fault("connect timeout", _full_backlog, GONE, hangs=True),
    Fault("self-signed certificate", lambda: serving(answer_well, tls=self_signed()), GONE),
    Fault("TLS spoken to a plain port", lambda: serving(_status(400), greet=False), GONE),
    _hanging("TLS handshake that hangs", _hang, greet=False),
    _hanging("hang before headers", _hang),
    _hanging("dripping headers", _drip_headers),
    _hanging("dripping body", _drip_body),
    _hanging("dripping chunks", _drip_chunks),
    _fault("reset before headers", _reset_before, GONE),
    _fault("reset in the body", _reset_in_body, GONE),
    _fault("closed without a reply", _closed_at_once, GONE),
    _fault("truncated body", _truncated, GONE),
    _fault("garbage", lambda c, received: c.sendall(b"SSH-2.0-\x1b[2J\r\n\r\n"), GONE),
    _hanging("only interim replies", _only_interim_replies),
    _fault("early hints", _early_hints, BAD),
]
SIZE = [
    _fault("endless body", _endless(_HEAD + b"\r\n", b" " * 65536), BAD),
    _fault("endless chunks", _endless(_CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n"), BAD),
    _fault("endless chunk length", _endless(_CHUNKED, b"0" * 65536), GONE),
    _fault("endless header", _endless(_HEAD + b"X: ", b"x" * 65536), GONE),
    Fault("gzip bomb", _bomb, BAD),
    _fault("100,000-deep JSON", _body(b"[" * 100_000), BAD),
    _fault("a number of a million digits", _body(b"1" * 1_000_000), BAD),
]
NONSENSE = [
    _fault("HTML", _body(b"<html><h1>It works!</h1></html>", Content_Type="text/html"), BAD),
    _fault("empty body", _body(b""), BAD),
    _fault("cut JSON", _body(b'{"reranked_documents": [{"index": 0'), BAD),
    _fault("JSON of another shape", _body(b'{"hello": "world"}'), BAD),
    _fault("JSON null", _body(b"null"), BAD),
    _fault("items that are texts", _body(b'{"reranked_documents": ["a", "b", "c", "d"]}'), BAD),
    _fault("200 with an error body", _body(b'{"error": "model is loading"}'), BAD),
    *[
        _fault(f"score {text}", _score(text), BAD)
        for text in ("NaN", "Infinity", "-Infinity", "1e999", '"0.5"', "true", "7.25", "{}")
    ],
    _fault("score of 400 digits", _score("1" * 400), BAD),
    _fault("null as every score", _items(lambda items: [i.update(score=None) for i in items]), BAD),
    *[_fault(f"index {value!r}", _index(value), BAD) for value in (-1, True, 4, 1.0, "1", None)],
    _fault("duplicate index", _items(lambda items: items[0].update(index=items[1]["index"])), BAD),
    _fault("missing item", _items(lambda items: items.pop()), BAD),
    _fault("an item too many", _items(lambda items: items.append(dict(items[0]))), BAD),
    _fault("no item at all", _items(lambda items: items.clear()), BAD),
]
STATUS = [
    _fault("redirect", _status(307, Location="http://127.0.0.1:9/elsewhere"), NO, 307),
    *[_fault(f"status {code}", _status(code), NO, code) for code in (400, 401, 403, 404, 413, 422)],
    _fault("status 501", _status(501), NO, 501),
    *[_fault(f"status {code}", _status(code), GONE) for code in (408, 429, 500, 502, 503, 504)],
    _fault("503, Retry-After in 2099", _status(503, Retry_After=_FAR), GONE),
    _fault("429, Retry-After of an hour", _status(429, Retry_After=3600), GONE),
    _fault("503, unreadable Retry-After", _status(503, Retry_After="soon"), GONE),
    Fault("503 once, Retry-After 1", _once(_status(503, Retry_After=1)), None),
    Fault("503 once, Retry-After as a date", _once(_in_a_second), None),
    Fault("429 once", _once(_status(429)), None),
    Fault("502 once", _once(_status(502)), None),
    Fault("reset once", _once(_reset_before), None),
]
FAULTS = [*NETWORK, *SIZE, *NONSENSE, *STATUS]
