"""Clients that leave, over real sockets."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from pydantic import SecretStr

from qwen_rerank.call import BatchReport, current_call
from qwen_rerank.server.settings import ServerSettings
from qwen_rerank.types import Outcome, RerankRequest
from tests.server.running import ManyFake, serving, wait_until


def test_thirty_clients_that_hang_up_leave_no_work_behind() -> None:
    fake = ManyFake()
    with serving(scorer=fake) as server, ThreadPoolExecutor(1) as pool:
        fake.gate.clear()
        patient = pool.submit(server.post, {"query": "patient", "documents": ["patient"]})
        wait_until(lambda: fake.asked("patient") == 1)
        callers = [hung_up(server.url, f"gone {number}") for number in range(30)]
        wait_until(lambda: server.service.waiting == 61)
        for caller in callers:
            caller.close()
        wait_until(lambda: server.service.waiting == 1)
        fake.gate.set()
        assert patient.result().json()["reranked_documents"][0]["score"] == 1
        count = server.service.metrics.registry.get_sample_value
        labels = {"route": "/rerank", "code": "499"}
        wait_until(lambda: count("rerank_requests_total", labels) == 30)


def hung_up(url: str, query: str) -> socket.socket:
    """A client that has asked and does not read."""
    place = urlsplit(url)
    body = json.dumps({"query": query, "documents": ["a", "b"]}).encode()
    caller = socket.create_connection((place.hostname or "", place.port or 0))
    head = f"POST /rerank HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    caller.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)
    return caller


def test_a_refusal_says_when_to_come_back() -> None:
    fake = ManyFake()
    with (
        serving(scorer=fake, max_documents=10, max_queue=10) as server,
        ThreadPoolExecutor(2) as pool,
    ):
        fake.gate.clear()
        first = pool.submit(server.post, {"query": "first", "documents": ["first"]})
        wait_until(lambda: fake.asked("first") == 1)
        second = pool.submit(server.post, {"query": "second", "documents": ["x"] * 3 + ["y"] * 3})
        wait_until(lambda: server.service.waiting == 7)
        full = server.post({"query": "third", "documents": [str(n) for n in range(9)]})
        assert full.status_code == 503
        assert 1 <= int(full.headers["Retry-After"]) <= 60
        assert "7 documents wait" in full.json()["detail"]
        fake.gate.set()
        assert first.result().ok
        assert second.result().ok


class Slow(ManyFake):
    """Reports that 100 tokens take it a second."""

    def score_batch(self, requests: Sequence[RerankRequest]) -> list[Outcome]:
        outcomes = super().score_batch(requests)
        if report := current_call().on_batch:
            report(BatchReport(documents=1, tokens=10_000, seconds=100.0, waited=()))
        return outcomes


def test_what_would_come_too_late_is_refused_at_once() -> None:
    slow = Slow()
    with serving(scorer=slow, deadline=30) as server, ThreadPoolExecutor(1) as pool:
        assert server.post({"query": "first", "documents": ["d"]}).ok  # about a second of work
        large = server.post({"query": "large", "documents": ["word " * 3000]})
        assert large.status_code == 413
        assert "send fewer at once" in large.json()["detail"]
        slow.gate.clear()
        waits = pool.submit(server.post, {"query": "waits", "documents": ["word " * 700]})
        wait_until(lambda: slow.asked("waits") == 1)
        late = server.post({"query": "late", "documents": ["word " * 300]})
        assert late.status_code == 503
        assert int(late.headers["Retry-After"]) >= 8
        assert slow.asked("late") == 0
        slow.gate.set()
        assert waits.result().ok


def test_a_deadline_is_504() -> None:
    fake = ManyFake()
    with serving(scorer=fake) as server, ThreadPoolExecutor(1) as pool:
        server.service.settings.deadline = 1.5  # only now: it holds for the warm-up, too
        fake.gate.clear()
        late = pool.submit(server.post, {"query": "late", "documents": ["d"]})
        reply = late.result()
        fake.gate.set()
        assert reply.status_code == 504
        assert "1.5 seconds" in reply.json()["detail"]


def test_the_key_appears_nowhere() -> None:
    settings = ServerSettings(scorer=ManyFake(), server_api_key=SecretStr("horse"))
    assert "horse" not in f"{settings!r} {settings} {settings.model_dump()}"
