"""Clients that leave, over real sockets."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from pydantic import SecretStr

from qwen_rerank.server.settings import ServerSettings
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
