"""Slow clients, many clients and huge headers, over real sockets."""

from __future__ import annotations

import json
import logging
import resource
import socket
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from qwen_rerank.server.connections import LimitedProtocol
from qwen_rerank.server.telemetry import RateLimit
from qwen_rerank.testing import FakeScorer
from tests.server.running import PATIENCE, Running, serving, wait_until
from tests.server.test_bad_input import GOOD, said
from tests.server.test_hostile_bodies import unfinished
from tests.server.test_stop import SERVE, process

HEAD = b"POST /rerank HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def connect(url: str) -> socket.socket:
    place = urlsplit(url)
    return socket.create_connection((place.hostname, place.port), timeout=PATIENCE)


def everything(caller: socket.socket) -> bytes:
    """What the server sends until it closes the connection."""
    received = b""
    try:
        while part := caller.recv(65_536):
            received += part
    except ConnectionResetError:
        pass
    return received


def sent_before_the_end(caller: socket.socket, data: bytes, most: int) -> int:
    """How often data can be sent before the server closes the connection."""
    for count in range(most):
        try:
            caller.sendall(data)
            if len(data) == 1:
                time.sleep(0.01)
        except OSError:
            return count
    return most


def refused(reply: bytes, status: int) -> str:
    """The message of a refusal, which must be JSON."""
    head, _, body = reply.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), head
    assert b"content-type: application/json" in head
    return str(json.loads(body)["detail"])


@pytest.mark.parametrize(
    "header",
    [
        b"X-Long: " + b"a" * 100_000,
        b"\r\n".join(b"X-%d: a" % number for number in range(10_000)),
        b"a" * 100_000,
    ],
    ids=["one", "many", "no end"],
)
def test_a_header_has_at_most_64_kilobytes(header: bytes) -> None:
    with serving(scorer=FakeScorer()) as server:
        with connect(server.url) as caller:
            caller.sendall(HEAD + header + b"\r\n\r\n")
            assert "65536 bytes" in refused(everything(caller), 431)
        with connect(server.url) as caller:
            caller.sendall(b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert "65536 bytes" in refused(everything(caller), 431)
        fits = {"X-Long": "a" * 60_000}
        assert requests.get(server.url + "/health", headers=fits, timeout=30).ok


def test_a_header_without_an_end_is_cut_off_early() -> None:
    """Uvicorn with httptools takes 300 MB of it, in time that grows with its square."""
    with serving(scorer=FakeScorer()) as server, connect(server.url) as caller:
        assert sent_before_the_end(caller, b"a" * 1_000_000, 300) < 50


def test_what_is_no_http_is_a_json_400() -> None:
    with serving(scorer=FakeScorer()) as server, connect(server.url) as caller:
        caller.sendall(b"hello\r\n\r\n")
        refused(everything(caller), 400)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LimitedProtocol, "header_seconds", 0.5)
    monkeypatch.setattr(LimitedProtocol, "body_seconds", 0.5)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("sent", [b"", b"POST /rer", HEAD, b"GET / HTTP/1.1\r\nX: "])
def test_a_header_that_does_not_come(sent: bytes) -> None:
    with serving(scorer=FakeScorer()) as server, connect(server.url) as caller:
        caller.sendall(sent)
        assert "the header did not come" in refused(everything(caller), 408)


@pytest.mark.usefixtures("impatient")
def test_a_second_header_that_does_not_come() -> None:
    with serving(scorer=FakeScorer()) as server, connect(server.url) as caller:
        caller.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in caller.recv(65_536)
        caller.sendall(b"GET /hea")
        assert "the header did not come" in refused(everything(caller), 408)


@pytest.mark.usefixtures("impatient")
def test_a_body_that_does_not_come() -> None:
    with serving(scorer=FakeScorer()) as server:
        with unfinished(server.url, 100, b"{") as caller:
            assert "the body did not come" in refused(everything(caller), 408)
        count = server.service.metrics.registry.get_sample_value
        labels = {"route": "/rerank", "code": "499"}
        wait_until(lambda: count("rerank_requests_total", labels) == 1)


@pytest.mark.usefixtures("impatient")
def test_a_slow_drip_is_no_excuse() -> None:
    """The time is for the whole part, not from one byte to the next."""
    with serving(scorer=FakeScorer()) as server, connect(server.url) as caller:
        caller.settimeout(0.1)
        received = b""
        for _ in range(300):
            with suppress(TimeoutError):
                caller.sendall(b"a")
                received = caller.recv(65_536)
                break
        refused(received, 408)


@pytest.mark.usefixtures("impatient")
def test_a_slow_model_is_no_slow_client() -> None:
    def slow(query: str, document: str) -> float:
        time.sleep(1.5)
        return 0.5

    with serving(scorer=FakeScorer(slow)) as server:
        assert server.post(GOOD).ok


def test_one_connection_too_many_is_503() -> None:
    with serving(scorer=FakeScorer(), max_connections=5) as server:
        callers = [connect(server.url) for _ in range(5)]
        wait_until(lambda: b" 503 " in asked(server))
        with connect(server.url) as caller:
            assert "too many connections" in refused(everything(caller), 503)
        for caller in callers:
            caller.close()
        wait_until(lambda: b" 200 " in asked(server))


def asked(server: Running) -> bytes:
    with connect(server.url) as caller:
        try:
            caller.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        except OSError:
            return b""
        return everything(caller)


def test_more_clients_than_the_process_may_have_files(tiny_model: Path, tmp_path: Path) -> None:
    """Before: accept failed, and wrote megabytes of log in a second."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    log = tmp_path / "log"
    command = ["bash", "-c", f'ulimit -n 128; exec "$@" 2>{log}', "bash", *SERVE]
    options = ("--model", str(tiny_model), "--device", "cpu", "--no-ui")
    with process(*options, command=command) as (_, url):
        callers = [connect(url) for _ in range(300)]
        for caller in callers:
            caller.close()
        wait_until(lambda: requests.get(url + "/health", timeout=PATIENCE).ok)
        assert requests.post(url + "/rerank", json=GOOD, timeout=PATIENCE).ok
    lines = log.read_text().splitlines()
    assert len(lines) < 50
    assert all(isinstance(json.loads(line), dict) for line in lines)
    assert "out of system resource" not in log.read_text()


def test_of_equal_refusals_ten_lines_a_second_are_logged() -> None:
    def line(second: int, status: int) -> logging.LogRecord:
        record = logging.LogRecord("server", logging.INFO, "file.py", 1, "request", (), None)
        record.created, record.fields = float(second), {"status": status}
        return record

    limit = RateLimit()
    assert sum(limit.filter(line(1, 503)) for _ in range(100)) == 10
    assert all(limit.filter(line(1, 200)) for _ in range(100))
    assert limit.filter(line(1, 404)), "another kind"
    later = line(2, 503)
    assert limit.filter(later)
    assert vars(later)["fields"] == {"status": 503, "left_out": 90}


def test_a_key_stops_nobody_from_being_refused(impatient: None) -> None:
    """A client that goes on sending a body that nobody reads is cut off, too."""
    with serving(scorer=FakeScorer(), server_api_key="horse") as server:
        with unfinished(server.url, 10_000_000, b"{") as caller:
            assert b" 401 " in caller.recv(65_536)
            assert sent_before_the_end(caller, b"a", 10_000) < 10_000
        said(server.post(GOOD), 401)
