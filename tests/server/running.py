"""A server in a thread of the test, and scorers that do as they are told."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
import uvicorn

from qwen_rerank.server.app import make_app
from qwen_rerank.server.connections import limited_config
from qwen_rerank.server.service import Service
from qwen_rerank.server.settings import ServerSettings
from qwen_rerank.testing import word_overlap
from qwen_rerank.types import BatchScorer, Outcome, RerankRequest, Scores

PATIENCE = 30.0
"""Seconds after which a test gives up waiting."""


@contextmanager
def on_a_loop(service: Service) -> Iterator[Service]:
    """The service, started on a loop of its own, as the server gives it to the page."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(service.start(), loop).result(PATIENCE)
    yield service
    asyncio.run_coroutine_threadsafe(service.stop(), loop).result(PATIENCE)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PATIENCE)


@dataclass
class ManyFake(BatchScorer):
    """Scores words in common; waits while `gate` is closed."""

    gate: threading.Event = field(default_factory=threading.Event)
    calls: list[list[tuple[str, list[str]]]] = field(default_factory=list)
    fails: Callable[[str], Exception | None] = lambda query: None

    def __post_init__(self) -> None:
        self.gate.set()

    def score_batch(self, requests: Sequence[RerankRequest]) -> list[Outcome]:
        self.calls.append([(request.query, list(request.documents)) for request in requests])
        assert self.gate.wait(PATIENCE)
        for request in requests:
            if error := self.fails(request.query):
                raise error
        return [Scores.of(word_overlap(r.query, d) for d in r.documents) for r in requests]

    def asked(self, query: str) -> int:
        """How many documents the model got for a query."""
        return sum(len(found) for call in self.calls for q, found in call if q == query)


@dataclass
class Running:
    """A server that answers."""

    url: str
    service: Service

    def post(self, body: Any, path: str = "/rerank", **options: Any) -> requests.Response:
        return requests.post(self.url + path, json=body, timeout=PATIENCE, **options)


@contextmanager
def serving(**settings: Any) -> Iterator[Running]:
    """A REST server on a free port, ready."""
    service = Service(ServerSettings(**{"ui": False, **settings}))
    config = limited_config(
        make_app(service),
        service.settings.max_connections,
        ws="none",
        timeout_graceful_shutdown=10,  # a test that fails may have left a connection open
    )
    server = uvicorn.Server(config)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            wait_until(lambda: service.state != "loading")
            assert service.state == "ready", service.failure
            yield Running(f"http://127.0.0.1:{listening.getsockname()[1]}", service)
        finally:
            server.should_exit = True
            thread.join(PATIENCE)


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll; fails the test when nothing comes of it."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
