"""What `start.sh` serves, with hubs that answer, fail, or are not there."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests

from qwen_rerank.errors import ModelLoadError
from qwen_rerank.prompt import DEFAULT_MODEL
from qwen_rerank.server import first_model
from tests.server.test_stop import process

NOWHERE = "http://127.0.0.1:9/"


class Hub(BaseHTTPRequestHandler):
    """Answers /model as a hub, anything else as a portal that wants a password."""

    def do_GET(self) -> None:
        body = b'{"id": "m"}' if self.path == "/model" else b"<html>Log in first</html>"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
        pass


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def finder(folders: dict[tuple[str, bool], Path]):  # type: ignore[no-untyped-def]
    def find(model: str, hub: str, *, download: bool) -> Path:
        assert model == DEFAULT_MODEL
        if (hub, download) not in folders:
            raise ModelLoadError("not there")
        return folders[hub, download]

    return find


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    (tmp_path / "model.safetensors").touch()
    return tmp_path


def test_the_hub_that_answers_is_taken(
    hub: str, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {("huggingface", True): whole, ("modelscope", True): whole}
    monkeypatch.setattr(first_model, "find_model", finder(found))
    both = {"huggingface": f"{hub}/model", "modelscope": f"{hub}/model"}
    assert first_model.choose(both) == (DEFAULT_MODEL, "huggingface")
    for absent in (NOWHERE, f"{hub}/portal"):
        one = {"huggingface": absent, "modelscope": f"{hub}/model"}
        assert first_model.choose(one) == (DEFAULT_MODEL, "modelscope")


def test_without_a_hub_an_earlier_download_is_used_if_whole(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = {"huggingface": NOWHERE, "modelscope": NOWHERE}
    begun = tmp_path_factory.mktemp("begun")
    monkeypatch.setattr(first_model, "find_model", finder({("huggingface", False): begun}))
    assert first_model.choose(nobody) == ("builtin", "none")
    monkeypatch.setattr(first_model, "find_model", finder({("modelscope", False): whole}))
    assert first_model.choose(nobody) == (DEFAULT_MODEL, "modelscope")


def test_the_builtin_model_is_never_used_silently(
    hub: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(first_model, "find_model", finder({}))
    choice = first_model.choose({"huggingface": f"{hub}/model", "modelscope": NOWHERE})
    assert choice == ("builtin", "none")
    said = capsys.readouterr().err
    assert "modelscope does not answer" in said
    assert "Using the small built-in model instead" in said


def test_one_command_serves(tiny_model: Path, tmp_path: Path) -> None:
    """In an environment that is set up already, which is what `.served` says."""
    place = tmp_path / "bin"
    place.mkdir()
    (tmp_path / ".served").touch()
    for name, words in (("python", ""), ("qwen-rerank", "-m qwen_rerank")):
        (place / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (place / name).chmod(0o755)
    command = [str(Path(__file__).parents[2] / "start.sh")]
    env = {**os.environ, "VENV": str(tmp_path)}
    options = ("--model", str(tiny_model), "--device", "cpu", "--no-ui")
    with process(*options, command=command, env=env) as (_, url):
        body = {"query": "q", "documents": ["a", "b"]}
        reply = requests.post(url + "/rerank", json=body, timeout=30).json()
    assert len(reply["reranked_documents"]) == 2
