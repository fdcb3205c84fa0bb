"""Well-behaved servers of several kinds, on loopback, with kept connections."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.remote.fault_server import Received, overlap_items

Reply = tuple[int, Any]
Answer = Callable[[Received], Reply]


@dataclass
class Server:
    """What a test sees of a server."""

    url: str
    received: list[Received] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)


class _HTTPServer(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client may go away."""


@contextmanager
def running(answer: Answer, *, seconds: float = 0, port: int = 0) -> Iterator[Server]:
    """A server that takes so many seconds for each request."""
    server = Server("")
    sockets: list[socket.socket] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            sockets.append(self.connection)

        def do_POST(self) -> None:
            server.connections.add(self.client_address)
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            received = Received(self.path, headers, body)
            server.received.append(received)
            time.sleep(seconds)
            status, reply = answer(received)
            data = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with _HTTPServer(("127.0.0.1", port), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_port}"
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield server
        finally:
            http.shutdown()
            for connection in sockets:  # else a kept connection would outlive its server
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


def own_answer(received: Received) -> Reply:
    return 200, {"reranked_documents": overlap_items(received)}


def common_answer(received: Received) -> Reply:
    items = overlap_items(received)
    results = [{"index": i["index"], "relevance_score": i["score"]} for i in items]
    return 200, {"id": "x", "model": "m", "results": results, "usage": {"total_tokens": 1}}


def list_answer(received: Received) -> Reply:
    return 200, overlap_items(received)


def at(routes: Mapping[str, Answer]) -> Answer:
    """Answers these paths only."""

    def answer(received: Received) -> Reply:
        return (
            routes[received.path](received)
            if received.path in routes
            else (404, {"detail": "Not Found"})
        )

    return answer


def tei_answer(received: Received) -> Reply:
    if "texts" not in received.body:
        return 422, {"error": "missing field `texts`", "error_type": "Validation"}
    if len(received.documents) > 32:
        return 413, {"error": "batch size 33 > maximum allowed batch size 32"}
    return list_answer(received)


@contextmanager
def own(**options: Any) -> Iterator[Server]:
    with running(at({"/rerank": own_answer}), **options) as server:
        yield server


@contextmanager
def vllm() -> Iterator[Server]:
    both = {"/rerank": common_answer, "/v1/rerank": common_answer}
    with running(at(both)) as server:
        yield server


@contextmanager
def sglang() -> Iterator[Server]:
    with running(at({"/v1/rerank": list_answer})) as server:
        yield server


@contextmanager
def tei() -> Iterator[Server]:
    with running(at({"/rerank": tei_answer})) as server:
        yield server
