"""What `start.sh` serves, with and without a hub."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from qwen_rerank.errors import ModelLoadError
from qwen_rerank.prompt import DEFAULT_MODEL
from qwen_rerank.scorers.local.hub import BUILTIN_FOLDER
from qwen_rerank.server import first_model
from tests.server.test_stop import process

START = str(Path(__file__).parents[2] / "start.sh")
NOWHERE = "http://127.0.0.1:9"


def test_a_complete_cache_is_used_without_a_hub(tmp_path: Path) -> None:
    cached = tmp_path / "models" / "Qwen" / "Qwen3-Reranker-0___6B"
    shutil.copytree(BUILTIN_FOLDER, cached)
    assert _printed(tmp_path) == DEFAULT_MODEL
    (cached / "model.safetensors").unlink()
    assert _printed(tmp_path) == "builtin"


def test_a_portal_that_answers_in_place_of_the_hubs(tmp_path: Path, portal: str) -> None:
    """The page of a guest network is no model, whatever its status."""
    chosen = first_model_of(tmp_path, portal)
    assert chosen.stdout.strip() == "builtin"
    assert "modelscope: can't be reached" in chosen.stderr
    assert "Using the small built-in model instead" in chosen.stderr


def _printed(cache: Path) -> str:
    return first_model_of(cache, NOWHERE).stdout.strip()


def first_model_of(cache: Path, hub: str) -> subprocess.CompletedProcess[str]:
    outside = {"HF_ENDPOINT": hub, "MODELSCOPE_ENDPOINT": hub, "HF_HUB_OFFLINE": "0"}
    caches = {"HF_HOME": str(cache), "MODELSCOPE_CACHE": str(cache)}
    command = [sys.executable, "-m", "qwen_rerank.server.first_model"]
    env = {**os.environ, **outside, **caches}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True)


def test_the_builtin_model_is_never_used_silently(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(model: str) -> Path:
        raise ModelLoadError("modelscope did not answer")

    monkeypatch.setattr(first_model, "find_model", fail)
    assert first_model.choose() == "builtin"
    said = capsys.readouterr().err
    assert "modelscope did not answer" in said
    assert "Using the small built-in model instead" in said


@pytest.mark.parametrize("given", ["option", "variable"])
def test_a_busy_port_is_known_before_anything_is_installed(given: str, tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = str(busy.getsockname()[1])
        options = ["--port", port] if given == "option" else []
        variables = {"QWEN_RERANK_PORT": port} if given == "variable" else {}
        env = {**os.environ, **variables, "VENV": str(tmp_path / "venv")}
        command = [START, *options]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "with --port" in done.stderr
    assert not list(tmp_path.iterdir())


def test_one_command_serves(tiny_model: Path, tmp_path: Path) -> None:
    """In an environment that is set up already, which is what `.served` says."""
    place = tmp_path / "bin"
    place.mkdir()
    (tmp_path / ".served").touch()
    for name, words in (("python", ""), ("qwen-rerank", "-m qwen_rerank")):
        (place / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (place / name).chmod(0o755)
    env = {**os.environ, "VENV": str(tmp_path)}
    options = ("--model", str(tiny_model), "--device", "cpu", "--no-ui")
    with process(*options, command=[START], env=env) as (_, url):
        body = {"query": "q", "documents": ["a", "b"]}
        reply = requests.post(url + "/rerank", json=body, timeout=30).json()
    assert len(reply["reranked_documents"]) == 2
