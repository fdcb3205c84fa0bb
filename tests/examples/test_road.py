"""The road in both languages: the same examples, and each runs as printed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [(ROOT / "docs" / f"road{end}.md").read_text("utf-8") for end in ("", ".zh-CN")]
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
PATIENCE = 300


def test_both_languages_show_the_same_examples_and_headings() -> None:
    english, chinese = PAGES
    assert BLOCK.findall(english) == BLOCK.findall(chinese)
    for pattern in (r"^#+ \d\.", r"^\|", r"\]\((?!road|evaluation|remote|\.\./README)"):
        counts = [len(re.findall(pattern, page, re.MULTILINE)) for page in PAGES]
        assert counts[0] == counts[1], pattern


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)", page):
            assert (ROOT / "docs" / link).exists(), link


@pytest.mark.slow
def test_every_example_runs_as_printed(tmp_path: Path) -> None:
    """In order, in one folder, as a reader would; only the port is another one."""
    shutil.copytree(ROOT / "examples" / "data", tmp_path / "examples" / "data")
    environment = _environment(tmp_path)
    blocks = [block for block in BLOCK.findall(PAGES[0]) if block[0] in {"sh", "python"}]
    [at] = [place for place, (_, code) in enumerate(blocks) if "rerank serve" in code]
    before = _run_all(blocks[:at], tmp_path, environment)
    assert "A refund takes five working days." in before.splitlines()[1]
    assert before.splitlines()[-1] == "1.0 1.0 1.0"
    assert (tmp_path / "measured" / "after.trec").exists()
    with _serving(f"{blocks[at][1].strip()} --port 0", tmp_path, environment) as port:
        asking = blocks[at + 1][1].replace("8080", port)
        metrics = _run("python", asking, tmp_path, environment)
    assert 'rerank_feedback_hit_rate{order="reranked"} 1.0' in metrics
    _run_all(blocks[at + 2 :], tmp_path, environment)
    judged = (tmp_path / "judged.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["relevant"] for line in judged] == [[2]]


def _environment(folder: Path) -> dict[str, str]:
    """A PATH with this very Python's `qwen-rerank`, and with nothing to install."""
    programs = folder / "bin"
    programs.mkdir()
    for name, line in (
        ("qwen-rerank", f'exec "{sys.executable}" -m qwen_rerank "$@"'),
        ("pip", "exit 0"),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    paths = [str(ROOT / "core"), str(ROOT)]
    return {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(paths),
    }


def _run_all(blocks: list[tuple[str, str]], folder: Path, environment: dict[str, str]) -> str:
    """Neighbours of one kind share a process: each would load the model anew."""
    groups = groupby(blocks, key=itemgetter(0))
    codes = [(kind, "\n".join(code for _, code in group)) for kind, group in groups]
    return "".join(_run(kind, code, folder, environment) for kind, code in codes)


def _run(kind: str, code: str, folder: Path, environment: dict[str, str]) -> str:
    command = ["sh", "-euc", code] if kind == "sh" else [sys.executable, "-c", code]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, f"{code}\n{done.stderr}"
    return done.stdout


@contextmanager
def _serving(command: str, folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Gives the port that the server says it got."""
    with subprocess.Popen(
        ["sh", "-c", f"exec {command}"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            assert server.stdout
            ports = (re.search(r"REST API: POST \S+:(\d+)/", line) for line in server.stdout)
            port = next(filter(None, ports), None)
            assert port, "it ended before"
            yield port[1]
        finally:
            server.kill()
