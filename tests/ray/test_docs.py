"""The two commands of docs/scale.md, as printed, on the cluster of the tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.examples.pages import ROOT, blocks_of
from tests.ray.machines import Machines, wait_until

pytestmark = pytest.mark.ray

PAGE = ROOT / "docs" / "scale.md"
CHINESE = ROOT / "docs" / "scale.zh-CN.md"
SERVE, BULK = (block.code for block in blocks_of(PAGE) if block.kind == "sh")


def test_both_languages_print_the_same_commands() -> None:
    [english, chinese] = [
        [b for b in blocks_of(page) if b.kind == "sh"] for page in (PAGE, CHINESE)
    ]
    assert english == chinese


def test_one_command_serves(machines: Machines, tmp_path: Path) -> None:
    machines.listen()
    with running(SERVE, machines, tmp_path) as process:
        wait_until(lambda: process.poll() is not None or answers(machines.url))
        assert process.poll() is None


def test_one_command_scores_a_file(machines: Machines, tmp_path: Path) -> None:
    with running(BULK, machines, tmp_path) as process:
        assert process.wait(120) == 0
    lines = [line for file in tmp_path.glob("scores/*") for line in file.open(encoding="utf-8")]
    assert len(lines) == 10
    for line in map(json.loads, lines):
        assert len(line["scores"]) == len(line["documents"])


def answers(url: str) -> bool:
    body = {"query": "q", "documents": ["d"]}
    return requests.post(f"{url}/rerank", json=body, timeout=30).status_code == 200


@contextmanager
def running(command: str, machines: Machines, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A command in a folder with the examples' data, and with this Python's programs."""
    shutil.copytree(ROOT / "examples" / "data", folder / "examples" / "data")
    program = folder / "qwen-rerank"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m qwen_rerank "$@"\n')
    program.chmod(0o755)
    path = os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "RAY_ADDRESS": machines.address}
    with subprocess.Popen(["sh", "-c", f"exec {command}"], cwd=folder, env=environment) as process:
        yield process
        process.terminate()
