"""Hubs that stay silent or are not there, and the caches that then serve."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qwen_rerank import LocalScorer, ModelLoadError
from qwen_rerank.scorers.local import hub as hubs
from qwen_rerank.scorers.local.hub import BUILTIN_FOLDER, find_model

MODEL = "owner/some.model"
COMMIT = ("c0ffee" * 7)[:40]
FIND = """
import sys
from qwen_rerank.scorers.local.hub import find_model
print(find_model(*sys.argv[1:]))
"""


class SilentHub:
    """Accepts connections, counts them, and never answers."""

    def __init__(self) -> None:
        self.look_ups = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._kept: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                self._kept.append(self._server.accept()[0])
            except OSError:
                return
            self.look_ups += 1

    def close(self) -> None:
        for connection in (self._server, *self._kept):
            connection.close()


@pytest.fixture
def silent() -> Iterator[SilentHub]:
    hub = SilentHub()
    yield hub
    hub.close()


def huggingface_cache(root: Path) -> Path:
    """As a filtered `snapshot_download` leaves it."""
    repository = root / "hub" / "models--owner--some.model"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    return _copy(repository / "snapshots" / COMMIT)


def modelscope_cache(root: Path) -> Path:
    return _copy(root / "models" / "owner--some.model" / "snapshots" / "master")


def old_modelscope_cache(root: Path) -> Path:
    return _copy(root / "hub" / "models" / "owner" / "some___model")


def _copy(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        shutil.copy(BUILTIN_FOLDER / name, folder)
    return folder


def find(cache: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """In a new process: huggingface_hub reads its settings once."""
    caches = {"HF_HOME": str(cache), "MODELSCOPE_CACHE": str(cache)}
    return subprocess.run(
        [sys.executable, "-c", FIND, MODEL, *arguments],
        env={**os.environ, **caches, **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "fill", [huggingface_cache, modelscope_cache, old_modelscope_cache], ids=lambda f: f.__name__
)
def test_a_complete_cache_serves_when_hubs_are_silent_and_offline(
    fill: Callable[[Path], Path], tmp_path: Path, silent: SilentHub
) -> None:
    folder = fill(tmp_path)
    urls = {"HF_ENDPOINT": silent.url, "MODELSCOPE_ENDPOINT": silent.url}
    offline = find(tmp_path, HF_HUB_OFFLINE="1", **urls)
    assert offline.stdout.strip() == str(folder), offline.stderr
    assert silent.look_ups == 0
    online = find(tmp_path, HF_HUB_OFFLINE="0", **urls)
    assert online.stdout.strip() == str(folder), online.stderr
    assert silent.look_ups >= 1  # a client may open a connection again
    (folder / "tokenizer.json").unlink()
    assert find(tmp_path, HF_HUB_OFFLINE="1", **urls).returncode != 0


def test_the_error_is_one_line_with_the_remedy_first(tmp_path: Path, silent: SilentHub) -> None:
    nowhere = "http://127.0.0.1:9"
    urls = {"HF_ENDPOINT": silent.url, "MODELSCOPE_ENDPOINT": nowhere}
    error = find(tmp_path, HF_HUB_OFFLINE="0", **urls).stderr.splitlines()[-1]
    remedy = "run with --model builtin, or set HF_ENDPOINT / QWEN_RERANK_HUB"
    assert error.startswith(f"qwen_rerank.errors.ModelLoadError: {remedy}")
    assert "huggingface: " in error
    assert "modelscope: can't be reached (ConnectionError)" in error
    assert "Pool" not in error
    assert silent.look_ups >= 1


def test_a_failed_look_up_is_remembered_for_a_while(
    tmp_path: Path,
    silent: SilentHub,
    monkeypatch: pytest.MonkeyPatch,
    later: Callable[[float], None],
) -> None:
    monkeypatch.setattr(hubs, "LOOK_UP_SECONDS", 0.5)
    for name, value in (
        ("HF_HUB_OFFLINE", "0"),
        ("QWEN_RERANK_HUB", "modelscope"),
        ("MODELSCOPE_ENDPOINT", silent.url),
        ("MODELSCOPE_CACHE", str(tmp_path)),
    ):
        monkeypatch.setenv(name, value)

    def fail(_: int) -> str:
        with pytest.raises(ModelLoadError) as raised:
            LocalScorer(MODEL, "cpu").score("q", ["d"])
        return str(raised.value)

    with ThreadPoolExecutor(4) as pool:
        [message] = set(pool.map(fail, range(4)))
    assert fail(0) == message
    assert silent.look_ups == 1
    later(31)
    fail(0)
    assert silent.look_ups == 2


def test_a_revision_is_looked_for_in_the_cache(tmp_path: Path) -> None:
    folder = modelscope_cache(tmp_path)
    v1 = _copy(folder.parent / "v1")
    found = find(tmp_path, "modelscope", HF_HUB_OFFLINE="1")
    assert found.returncode == 0
    code = [sys.executable, "-c", FIND, f"{MODEL}@v1", "modelscope"]
    env = {**os.environ, "MODELSCOPE_CACHE": str(tmp_path)}
    done = subprocess.run(code, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(v1)
    with pytest.raises(ModelLoadError, match="neither a folder"):
        find_model("owner/some.model@")


def test_a_portal_is_no_hub(tmp_path: Path, portal: str) -> None:
    urls = {"HF_ENDPOINT": portal, "MODELSCOPE_ENDPOINT": portal, "HF_HUB_OFFLINE": "0"}
    error = find(tmp_path, **urls).stderr.splitlines()[-1]
    assert "run with --model builtin" in error
    assert "huggingface: can't be reached (" in error
    assert "modelscope: can't be reached (JSONDecodeError)" in error
    folder = huggingface_cache(tmp_path)
    assert find(tmp_path, **urls).stdout.strip() == str(folder)


def test_a_relative_folder_is_another_one_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model that is loaded is remembered by its whole path."""
    for name in ("here", "there"):
        _copy(tmp_path / name / "model")
    (tmp_path / "there" / "model" / "model.safetensors").unlink()
    monkeypatch.chdir(tmp_path / "here")
    scorer = LocalScorer("model", "cpu")
    assert scorer.score("q", ["d"])
    here = scorer.fingerprint()
    monkeypatch.chdir(tmp_path / "there")
    with pytest.raises(ModelLoadError, match=r"there/model holds no model\.safetensors"):
        scorer.score("q", ["d"])
    monkeypatch.chdir(tmp_path / "here")
    assert scorer.fingerprint() == here
