"""Starts servers that others wrote, each a program in an environment of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests


def program(name: str) -> str:
    path = os.environ.get(f"QWEN_RERANK_TEST_{name.upper()}") or shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed: set QWEN_RERANK_TEST_{name.upper()} to its program")
    return path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def started(
    command: list[str], port: int, alive: str, log: Path, *, seconds: int = 120, **variables: str
) -> Iterator[str]:
    """Runs a server, and waits for at most so many seconds until it answers."""
    url = f"http://127.0.0.1:{port}"
    outside = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    outside |= variables
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, cwd=log.parent, env=outside
        )
    try:
        ends = time.monotonic() + seconds
        while not answers(url + alive):
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < ends, log.read_text()[-2000:]
            time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait(60)


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False
