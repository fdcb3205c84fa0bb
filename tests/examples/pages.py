"""Runs the code blocks of a page of documentation from top to bottom, as a reader would."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT = 540
"""Seconds for one command on a busy machine."""

NOT_RUN = {
    "git clone REPOSITORY_URL qwen-rerank": "a test has no network",
    "cd qwen-rerank": "there is no clone",
    "pip install torch --index-url https://download.pytorch.org/whl/cpu": "installs",
    'pip install ".[local,langchain,llama-index,faiss]"': "installs",
    'pip install ".[local,eval]"': "installs",
    'pip install ".[all]"': "installs",
    "./start.sh": "installs, downloads and serves until it is stopped",
    "make test": "it is what runs this test",
    "make demo": "installs; tests/examples/test_examples.py runs the demo itself",
    "qwen-rerank download Qwen/Qwen3-Reranker-0.6B": "downloads 1.2 GB",
}
"""Commands that no test runs, each with the reason."""

NEEDS_HUB = "mteb.evaluate("
"""A Python block with this call loads data from a hub; tests/evaluation/test_mteb.py runs the
wrapper on MTEB's mock tasks."""

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```(?:\n\n```text\n(.*?)^```)?", re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"^(?:cd|git|make|pip|qwen-rerank|\.venv/bin/python)\b \S+", re.MULTILINE)
_PORT = re.compile(r"REST API: POST \S+:(\d+)/")


@dataclass(frozen=True)
class Block:
    """A code block, and the output that the page shows below it."""

    kind: str
    code: str
    output: str


def blocks_of(page: Path) -> list[Block]:
    """All code blocks of a page, in order; an output belongs to the block before it."""
    return [Block(*found) for found in _BLOCK.findall(page.read_text("utf-8"))]


def shape(block: Block) -> tuple[str, object]:
    """A block's code without its texts and comments; of a shell block, its commands."""
    if block.kind != "python":
        return block.kind, _COMMAND.findall(block.code)
    tree = ast.parse(block.code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return block.kind, ast.dump(tree)


class PageRunner(ExitStack):
    """Runs blocks in one folder. `serve` runs in the background, on a free port.

    Args:
        folder: An empty folder; it gets a copy of the examples.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._environment = _environment(folder)
        self._port = "8080"
        shutil.copytree(ROOT / "examples", folder / "examples")
        self._session = self._start([sys.executable, str(Path(__file__).with_name("session.py"))])

    def run(self, block: Block) -> str:
        """What the block prints; other kinds of blocks than shell and Python print nothing."""
        if NEEDS_HUB in block.code:
            return ""
        if block.kind == "python":
            return self._run_python(block.code.replace(":8080", f":{self._port}"))
        return self._run_shell(block.code) if block.kind == "sh" else ""

    def _run_python(self, code: str) -> str:
        session = self._session
        assert session.stdin
        assert session.stdout
        session.stdin.write(json.dumps(code) + "\n")
        session.stdin.flush()
        reply = session.stdout.readline()
        assert reply, f"{code}\n{(self._folder / 'errors').read_text('utf-8')}"
        return str(json.loads(reply))

    def _run_shell(self, code: str) -> str:
        lines = [line for line in code.splitlines() if line not in NOT_RUN]
        if lines and lines[0].startswith("qwen-rerank serve"):
            self._serve(lines[0])
            return ""
        done = subprocess.run(
            ["sh", "-euc", "\n".join(lines)],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
        )
        assert done.returncode == 0, f"{code}\n{done.stderr}"
        return done.stdout

    def _serve(self, command: str) -> None:
        server = self._start(["sh", "-c", f"exec {command} --port 0"])
        assert server.stdout
        ports = (_PORT.search(line) for line in server.stdout)
        port = next(filter(None, ports), None)
        assert port, (self._folder / "errors").read_text("utf-8")
        self._port = port[1]

    def _start(self, command: list[str]) -> subprocess.Popen[str]:
        errors = self.enter_context((self._folder / "errors").open("a"))
        process = subprocess.Popen(
            command,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        self.enter_context(process)  # waits for its end
        self.callback(process.kill)
        return process


def _environment(folder: Path) -> dict[str, str]:
    """A PATH with this Python and its `qwen-rerank`."""
    programs = folder / "bin"
    programs.mkdir()
    (folder / ".venv" / "bin").mkdir(parents=True)  # what `make demo` leaves
    _write_program(programs / "qwen-rerank", "-m qwen_rerank")
    for program in (programs / "python", folder / ".venv" / "bin" / "python"):
        _write_program(program, "")
    return {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "core"), str(ROOT)]),
    }


def _write_program(file: Path, arguments: str) -> None:
    """A shell script that calls this Python; a link to it would leave its environment."""
    file.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
    file.chmod(0o755)
