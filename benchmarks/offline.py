"""How soon a model is known without a network: `python -m benchmarks.offline`.

For each kind of cache and each kind of missing network, a new process scores twice by a hub's
id. It prints how long the look-up of the folder took, and how long the second call took,
whether they ended with scores or with an error. Nothing is contacted but a socket of this
machine. The caches hold the files of the built-in model.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from qwen_rerank.scorers.local.hub import BUILTIN_FOLDER

MODEL = "owner/some.model"
COMMIT = ("c0ffee" * 7)[:40]
KNOWN_SECONDS = 5.0
SECOND_CALL_SECONDS = 0.05

CHILD = """
import json, sys, time
from qwen_rerank import LocalScorer, ModelLoadError
from qwen_rerank.scorers.local import model as models

def call():
    try:
        scorer.score("red planet", ["Mars is red."])
        return "scores"
    except ModelLoadError:
        return "error"

find, spent = models.find_model, []
def timed(name):
    start = time.monotonic()
    try:
        return find(name)
    finally:
        spent.append(time.monotonic() - start)
models.find_model = timed
scorer, times = LocalScorer(sys.argv[1], "cpu"), []
for _ in range(2):
    start = time.monotonic()
    result = call()
    times.append(time.monotonic() - start)
found = {"look_up": spent[0], "first": times[0], "second": times[1], "result": result}
json.dump(found, sys.stdout)
"""


def none(root: Path) -> None:
    """An empty cache."""


def huggingface(root: Path) -> None:
    """As `snapshot_download` leaves it."""
    repository = root / "hub" / "models--owner--some.model"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    _copy(repository / "snapshots" / COMMIT)


def huggingface_without_weights(root: Path) -> None:
    """A download that broke off."""
    huggingface(root)
    next(root.rglob("model.safetensors")).unlink()


def modelscope(root: Path) -> None:
    """As modelscope lays it now."""
    _copy(root / "models" / "owner--some.model" / "snapshots" / "master")


def older_modelscope(root: Path) -> None:
    """As modelscope laid it before."""
    _copy(root / "hub" / "models" / "owner" / "some___model")


CACHES: list[Callable[[Path], None]] = [
    none,
    huggingface,
    huggingface_without_weights,
    modelscope,
    older_modelscope,
]


def _copy(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        shutil.copy(BUILTIN_FOLDER / name, folder)


@contextmanager
def networks() -> Iterator[dict[str, dict[str, str]]]:
    """Environments of a process: a hub that is silent, one that refuses, and no network at all."""
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))  # bound, and not listening
        yield {
            "silent": _endpoints(silent),
            "refused": _endpoints(refusing),
            "no such host": _endpoints("http://hub.invalid"),
            "HF_HUB_OFFLINE=1": {**_endpoints(silent), "HF_HUB_OFFLINE": "1"},
        }


def _endpoints(server: socket.socket | str) -> dict[str, str]:
    url = server if isinstance(server, str) else f"http://127.0.0.1:{server.getsockname()[1]}"
    return {"HF_HUB_OFFLINE": "0"} | dict.fromkeys(("HF_ENDPOINT", "MODELSCOPE_ENDPOINT"), url)


def measure(fill: Callable[[Path], None], network: dict[str, str]) -> dict[str, float | str]:
    """The times of one new process, in seconds."""
    with tempfile.TemporaryDirectory() as root:
        fill(Path(root))
        caches = {"HF_HOME": root, "MODELSCOPE_CACHE": root}
        done = subprocess.run(
            [sys.executable, "-c", CHILD, MODEL],
            env={**os.environ, **caches, **network},
            capture_output=True,
            text=True,
            check=True,
        )
    found: dict[str, float | str] = json.loads(done.stdout)
    return found


def main() -> None:
    """Print a table, and fail where a time is above its limit."""
    print("| cache | network | result | look-up, s | first call, s | second call, s |")
    print("|---|---|---|---|---|---|")
    slow = 0
    with networks() as kinds:
        for fill in CACHES:
            for name, network in kinds.items():
                found = measure(fill, network)
                known, second = float(found["look_up"]), float(found["second"])
                slow += known > KNOWN_SECONDS + 0.5 or second > SECOND_CALL_SECONDS
                cache = fill.__name__.replace("_", " ")
                row = f"{known:.2f} | {float(found['first']):.2f} | {second:.3f}"
                print(f"| {cache} | {name} | {found['result']} | {row} |", flush=True)
    sys.exit(f"{slow} rows are above a limit" if slow else 0)


if __name__ == "__main__":
    main()
