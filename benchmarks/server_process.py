"""A server in a process of its own, on loopback."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import requests

PORT = 8199
URL = f"http://127.0.0.1:{PORT}"
SERVE = [sys.executable, "-m", "qwen_rerank", "serve", "--no-ui", "--port", str(PORT)]
SERVE += ["--model", "builtin", "--device", "cpu"]


@contextmanager
def server_process(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[int]:
    """Run the command, which serves on `PORT`, and wait until it is ready; its process."""
    log = subprocess.DEVNULL
    with subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process:
        try:
            _wait_until_ready(process)
            yield process.pid
        finally:
            process.terminate()


def _wait_until_ready(process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 180
    while time.monotonic() < end and process.poll() is None:
        try:
            if requests.get(f"{URL}/ready", timeout=5).ok:
                return
        except (requests.ConnectionError, requests.Timeout):
            pass
        time.sleep(0.5)
    raise SystemExit("the server did not start")
