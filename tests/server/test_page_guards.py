"""The page's WebSocket and uploads, and what the whole process logs and contacts."""

from __future__ import annotations

import json
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.server.running import PATIENCE, wait_until
from tests.server.test_bad_input import GOOD, said
from tests.server.test_connections import everything
from tests.server.test_hostile_bodies import unfinished
from tests.server.test_stop import SERVE, process

pytest.importorskip("streamlit")
FRIEND = "https://friend.example"


class Proxy(BaseHTTPRequestHandler):
    """Notes every request that leaves the server."""

    def do_GET(self) -> None:
        self.server.seen.append(self.path)  # type: ignore[attr-defined]
        self.send_error(404)

    do_CONNECT = do_GET  # noqa: N815 - http.server's own name
    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
        pass


@contextmanager
def page(model: Path, log: Path, proxy: str = "", *options: str) -> Iterator[str]:
    """A server with its page; what it logs goes to a file."""
    script = f'export HTTP_PROXY={proxy} HTTPS_PROXY={proxy} NO_PROXY=; exec "$@" 2>{log}'
    command = ["bash", "-c", script, "bash", *SERVE]
    settings = ("--model", str(model), "--device", "cpu", *options)
    with process(*settings, command=command) as (_, url):
        yield url


@pytest.fixture(scope="module")
def proxy() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        server.seen = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page") / "log"


@pytest.fixture(scope="module")
def url(tiny_model: Path, proxy: ThreadingHTTPServer, log: Path) -> Iterator[str]:
    address = f"http://127.0.0.1:{proxy.server_port}"
    with page(tiny_model, log, address, "--cors-origin", FRIEND) as url:
        yield url


def first_message(url: str, origin: str | None) -> bytes:
    """What Streamlit sends first; connects and asks for a run as a browser does."""
    from streamlit.proto.BackMsg_pb2 import BackMsg

    stream = url.replace("http", "ws", 1) + "/_stcore/stream"
    with connect(stream, origin=Origin(origin) if origin else None, proxy=None) as line:
        message = BackMsg()
        message.rerun_script.query_string = ""
        line.send(message.SerializeToString())
        received = line.recv(PATIENCE)
        assert isinstance(received, bytes)
        return received


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1", "null"])
def test_a_web_socket_of_another_origin_is_refused(url: str, origin: str) -> None:
    with pytest.raises(InvalidStatus) as error:
        first_message(url, origin)
    assert error.value.response.status_code == 403


def test_web_sockets_of_the_page_and_of_allowed_origins(
    url: str, proxy: ThreadingHTTPServer
) -> None:
    for origin in (url, FRIEND, None):
        assert first_message(url, origin)
    assert requests.get(url, timeout=PATIENCE).ok
    assert requests.post(url + "/rerank", json=GOOD, timeout=PATIENCE).ok
    assert proxy.seen == [], "the server contacts nobody"  # type: ignore[attr-defined]


def upload(url: str) -> requests.Response:
    """A file for a session of one's own, as Streamlit's page sends it."""
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    session = requests.Session()
    session.get(url + "/_stcore/health", timeout=PATIENCE)
    token = session.cookies.get("_streamlit_xsrf") or ""
    stream = url.replace("http", "ws", 1) + "/_stcore/stream"
    with connect(stream, proxy=None) as line:
        message = BackMsg()
        message.rerun_script.query_string = ""
        line.send(message.SerializeToString())
        received = ForwardMsg()
        while not received.HasField("new_session"):
            data = line.recv(PATIENCE)
            assert isinstance(data, bytes)
            received.ParseFromString(data)
        session_id = received.new_session.initialize.session_id
        return session.put(
            f"{url}/_stcore/upload_file/{session_id}/{uuid.uuid4()}",
            files={"file": ("a.txt", b"a document")},
            headers={"X-Xsrftoken": token},
            timeout=PATIENCE,
        )


def test_visitors_upload_files_where_no_key_is_set(url: str) -> None:
    assert upload(url).status_code == 204


def test_anonymous_visitors_upload_nothing_where_a_key_is_set(
    tiny_model: Path, tmp_path: Path
) -> None:
    with page(tiny_model, tmp_path / "log", "", "--api-key", "horse") as url:
        assert "enter the key" in said(upload(url), 401)


def test_every_line_of_the_log_is_json_and_a_hang_up_has_none(url: str, log: Path) -> None:
    earlier = log.read_text().count('"status": 200')
    assert requests.post(url + "/rerank", json=GOOD, timeout=PATIENCE).ok
    # written after the reply
    wait_until(lambda: log.read_text().count('"status": 200') > earlier)
    before = len(log.read_text().splitlines())
    for _ in range(10):
        unfinished(url, 1000, b"{").close()
    labels = 'rerank_requests_total{code="499",route="/rerank"} 10.0'
    wait_until(lambda: labels in requests.get(url + "/metrics", timeout=PATIENCE).text)
    assert len(log.read_text().splitlines()) == before
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as caller:
        caller.sendall(b"no HTTP\r\n\r\n")
        everything(caller)
    stream = url.replace("http", "ws", 1) + "/_stcore/stream"
    with connect(stream, proxy=None) as line:
        line.send(b"\xff\xff")  # Streamlit warns of a message that it can't read
        wait_until(lambda: "streamlit" in log.read_text())
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    loggers = {line["logger"].partition(".")[0] for line in lines}
    assert loggers >= {"qwen_rerank", "uvicorn", "streamlit"}
