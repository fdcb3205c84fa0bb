"""SIGTERM under load, to a server of its own process."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.server.running import PATIENCE, wait_until

LONGEST_EXIT = 15


SERVE = (sys.executable, "-m", "qwen_rerank", "serve")
LINGERING = """
import sys
from qwen_rerank.cli.main import main
from qwen_rerank.server import lifecycle as run
run.LINGER *= 6
sys.exit(main())
"""
"""A server that says 503 for longer before it closes its port: on a busy machine a client may
need that long to hear it, and a port that closes cuts off who is just connecting."""


START = """
import signal, time
from functools import partial
from qwen_rerank.server import lifecycle
from qwen_rerank.server.settings import ServerSettings
from qwen_rerank.testing import FakeScorer

def slowly(query, document):
    time.sleep(0.02)  # ready long before the port closes
    return 0.5

settings = ServerSettings(scorer=FakeScorer(slowly), ui=False, port=0)
"""
SIGNALLED_WHILE_LOADING = """
def say(line):
    print(line, flush=True)
    if line.startswith("Loading"):
        signal.raise_signal(signal.SIGTERM)

lifecycle.serve(settings, say)
"""
SIGNALLED_AT_ONCE = """
make_app = lifecycle.make_app

def make_signalled_app(service):
    app = make_app(service)

    async def signalled(scope, receive, send):
        if scope["type"] == "lifespan":
            signal.raise_signal(signal.SIGTERM)
        await app(scope, receive, send)

    return signalled

lifecycle.make_app = make_signalled_app
lifecycle.serve(settings, partial(print, flush=True))
"""


@contextmanager
def process(
    *arguments: str, command: Sequence[str] = SERVE, env: dict[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`qwen-rerank serve` and its address, once it says that it is ready."""
    with subprocess.Popen(
        [*command, "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=env,
    ) as server:
        try:
            assert server.stdout
            for line in server.stdout:
                if address := re.search(r"POST (http://\S+)/rerank", line):
                    break
            else:
                pytest.fail("the server ended before it was ready")
            yield server, address[1]
        finally:
            server.kill()


def test_sigterm_finishes_what_was_accepted_and_refuses_the_rest(tiny_model: Path) -> None:
    model = ["--model", str(tiny_model), "--device", "cpu", "--no-ui"]
    command = (sys.executable, "-c", LINGERING, "serve")
    with process(*model, command=command) as (server, url):
        lost: list[str] = []
        answered: list[int] = []
        threads = [
            threading.Thread(target=ask_until_refused, args=(url, number, answered, lost))
            for number in range(8)
        ]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(answered) >= 20)
        server.send_signal(signal.SIGTERM)
        server.wait(LONGEST_EXIT)
        for thread in threads:
            thread.join(PATIENCE)
        assert lost == []
        with pytest.raises(requests.ConnectionError):
            requests.get(url + "/health", timeout=5)


@pytest.mark.parametrize("script", [SIGNALLED_AT_ONCE, SIGNALLED_WHILE_LOADING])
def test_a_signal_before_the_model_is_there_ends_the_server(script: str) -> None:
    command = [sys.executable, "-c", START + script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode in (-signal.SIGTERM, 128 + signal.SIGINT)
    assert "Traceback" not in done.stderr
    assert "POST" not in done.stdout, "the server does not say that it is ready"


def test_a_body_that_never_ends_does_not_hold_up_the_exit(tiny_model: Path) -> None:
    model = ["--model", str(tiny_model), "--device", "cpu", "--no-ui"]
    with process(*model) as (server, url):
        place = urlsplit(url)
        with socket.create_connection((place.hostname, place.port)) as caller:
            head = b"POST /rerank HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
            caller.sendall(head + b"Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n")
            assert b"100 Continue" in caller.recv(100), "the server waits for the body"
            server.send_signal(signal.SIGTERM)
            server.wait(PATIENCE)


def ask_until_refused(url: str, number: int, answered: list[int], lost: list[str]) -> None:
    """Ask again and again on new connections; note any that was cut off after it was accepted."""
    documents = [f"document {number} {place}" for place in range(20)]
    while True:
        try:
            reply = requests.post(
                url + "/rerank",
                json={"query": "document", "documents": documents},
                timeout=PATIENCE,
            )
        except requests.ConnectionError as error:
            if "refused" not in str(error):
                lost.append(str(error))
            return
        if reply.status_code == 503:
            return
        if reply.status_code != 200 or len(reply.json()["results"]) != len(documents):
            lost.append(reply.text)
        answered.append(1)


def test_a_model_that_is_not_there_is_one_line_and_exit_1(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "qwen_rerank", "serve", "--no-ui", "--port", "0"]
    answer = subprocess.run(
        [*command, "--model", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1].startswith("qwen-rerank: ")
    assert "Traceback" not in answer.stderr


def test_a_taken_port_is_one_line_and_exit_1(tiny_model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "qwen_rerank", "serve", "--no-ui", "--port", port]
        answer = subprocess.run(
            [*command, "--model", str(tiny_model)], capture_output=True, text=True, check=False
        )
    assert answer.returncode == 1
    assert "can't listen on 127.0.0.1" in answer.stderr
    assert "choose another port with --port" in answer.stderr


@pytest.mark.parametrize("code", ["import qwen_rerank", "import qwen_rerank.server.app"])
def test_what_is_not_needed_is_not_imported(code: str) -> None:
    """REST needs no Streamlit; the library needs neither."""
    unwanted = {"streamlit", "pandas", "torch"} | ({"fastapi"} if "app" not in code else set())
    look = f"{code}; import sys; print(sorted(set(sys.modules) & {unwanted!r}))"
    assert subprocess.check_output([sys.executable, "-c", look], text=True).strip() == "[]"
