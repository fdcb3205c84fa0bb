"""A server on a real loopback socket that does exactly what a test tells it."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Received:
    """What came in, read to its end."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def documents(self) -> list[str]:
        return list(self.body.get("documents") or self.body.get("texts") or [])


Handler = Callable[[socket.socket, Received], None]
"""Answers one request on its connection; the connection is closed afterwards."""


@contextmanager
def serving(
    handler: Handler, *, tls: ssl.SSLContext | None = None, greet: bool = True
) -> Iterator[str]:
    """Serve on a free port, a thread for each connection; gives the base URL.

    Without `greet` the handler gets the connection before anything was read from it.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), connection:  # the client may have gone, as it should
            secured = tls.wrap_socket(connection, server_side=True) if tls else connection
            handler(secured, read_request(secured) if greet else Received("", {}, {}))
            secured.close()

    def accept() -> None:
        with suppress(OSError):  # closed by the test
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    scheme = "https" if tls or not greet else "http"
    try:
        yield f"{scheme}://localhost:{listener.getsockname()[1]}"
    finally:
        with suppress(OSError):  # where systems don't know it, closing is enough
            listener.shutdown(socket.SHUT_RDWR)  # else Linux leaves it open in `accept`
        listener.close()


def read_request(connection: socket.socket) -> Received:
    stream = connection.makefile("rb")
    path = stream.readline().decode().split(" ")[1]
    headers = {}
    while line := stream.readline().strip():
        name, _, value = line.decode().partition(":")
        headers[name.strip().lower()] = value.strip()
    return Received(path, headers, json.loads(stream.read(int(headers["content-length"]))))


def send_reply(
    connection: socket.socket, body: bytes, status: int = 200, **headers: str | int
) -> None:
    """A whole reply; header names in Python's spelling."""
    fields = {"Content_Type": "application/json", "Content_Length": len(body), **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    head = "\r\n".join([f"HTTP/1.1 {status} Whatever", *lines, "Connection: close", "", ""])
    connection.sendall(head.encode() + body)


def reset(connection: socket.socket) -> None:
    """Close with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def overlap_items(received: Received) -> list[dict[str, Any]]:
    """Right answers, best first: the share of the query's words in each document."""
    words = set(received.body["query"].lower().split())
    scores = [len(words & set(d.lower().split())) / len(words) for d in received.documents]
    items: list[dict[str, Any]] = [{"index": i, "score": s} for i, s in enumerate(scores)]
    return sorted(items, key=lambda item: -item["score"])


def answer_well(connection: socket.socket, received: Received) -> None:
    body = {"reranked_documents": overlap_items(received)}
    send_reply(connection, json.dumps(body).encode())
