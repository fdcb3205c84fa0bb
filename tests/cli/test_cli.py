"""The command line: what a command prints, and its exit status."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path
from unittest.mock import patch

import pytest

from qwen_rerank import __version__, load
from qwen_rerank.cli.main import main
from qwen_rerank.scorers.local.hub import BUILTIN_FOLDER

LINES = "Gravity is a force.\n\nBeijing is the capital of China.\r\n首都是北京。\n"


@dataclass(frozen=True)
class Answer:
    """What a command leaves behind."""

    returncode: int
    stdout: str
    stderr: str


def in_a_new_process(*arguments: str, stdin: str = "") -> Answer:
    """As a shell calls it. Importing torch takes most of the time."""
    command = [sys.executable, "-m", "qwen_rerank", *arguments]
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, check=False, encoding="utf-8"
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def qwen_rerank(*arguments: str, stdin: str = "", encoding: str = "utf-8") -> Answer:
    """Run a command in this process, which has torch loaded already."""
    given = TextIOWrapper(BytesIO(stdin.encode()), "utf-8")
    out, err = TextIOWrapper(BytesIO(), encoding), TextIOWrapper(BytesIO(), encoding)
    with patch("sys.stdin", given), redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(arguments)
        except SystemExit as end:
            code = int(end.code or 0)
    return Answer(code, text_of(out), text_of(err))


def text_of(stream: TextIOWrapper) -> str:
    """What was written. `--json` switches the stream to UTF-8, and ASCII reads the same in it."""
    stream.flush()
    stream.seek(0)
    return bytes(stream.buffer.read()).decode("utf-8")


def test_rerank_prints_what_the_library_computes(tiny_model: Path, tmp_path: Path) -> None:
    file = tmp_path / "documents.txt"
    file.write_text(LINES, encoding="utf-8")
    model = ["--model", str(tiny_model), "--device", "cpu"]
    answer = in_a_new_process("rerank", "What is the capital?", str(file), "--json", *model)
    assert answer.returncode == 0
    rows = json.loads(answer.stdout)
    documents = ["Gravity is a force.", "Beijing is the capital of China.", "首都是北京。"]
    results = load(model=str(tiny_model), device="cpu").rerank("What is the capital?", documents)
    assert [row["index"] for row in rows] == [result.index for result in results]
    assert [row["score"] for row in rows] == pytest.approx([r.score for r in results], abs=1e-6)
    assert [row["document"] for row in rows] == [documents[row["index"]] for row in rows]
    assert [row["rank"] for row in rows] == [1, 2, 3]


def test_rerank_reads_standard_input_and_prints_a_table(tiny_model: Path) -> None:
    answer = qwen_rerank(
        "rerank", "capital", "--model", str(tiny_model), "--top-n", "2", stdin=LINES
    )
    assert answer.returncode == 0
    assert answer.stdout.splitlines()[0].split() == ["rank", "score", "index", "document"]
    assert len(answer.stdout.splitlines()) == 3


def test_a_document_sends_no_control_characters_to_the_terminal(tiny_model: Path) -> None:
    hostile = "capital \x1b[2J\x9b1m\u202e end\tof\x7f line\n"
    arguments = ["rerank", "capital", "--model", str(tiny_model)]
    escaped = r"capital \u001b[2J\u009b1m\u202e end" + "\tof" + r"\u007f line"
    assert qwen_rerank(*arguments, stdin=hostile).stdout.splitlines()[1].endswith(escaped)
    as_json = qwen_rerank(*arguments, "--json", stdin=hostile).stdout
    assert not set(as_json) & {"\x1b", "\x9b", "\u202e", "\x7f"}
    assert json.loads(as_json)[0]["document"] == hostile.removesuffix("\n")


def test_an_output_that_lacks_a_character_shows_its_number(tiny_model: Path) -> None:
    arguments = ["rerank", "capital", "--model", str(tiny_model)]
    assert r"\u9996\u90fd" in qwen_rerank(*arguments, stdin=LINES, encoding="ascii").stdout
    as_json = qwen_rerank(*arguments, "--json", stdin=LINES, encoding="ascii").stdout
    assert "首都" in as_json


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is POSIX")
def test_rerank_shows_a_bar_on_a_terminal_and_nothing_in_a_pipe(tiny_model: Path) -> None:
    import fcntl
    import pty
    import struct
    import termios

    command = [sys.executable, "-m", "qwen_rerank", "rerank", "q", "--model", str(tiny_model)]
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    done = subprocess.run(
        command, input=LINES, stdout=subprocess.PIPE, stderr=terminal, text=True, check=True
    )
    assert "3/3" in os.read(screen, 65536).decode()
    assert len(done.stdout.splitlines()) == 4
    assert in_a_new_process(*command[3:], stdin=LINES).stderr == ""


def test_doctor_shows_what_is_used_and_why(tiny_model: Path) -> None:
    answer = qwen_rerank("doctor", "--model", str(tiny_model), "--device", "cpu")
    assert "yes is token 9693, no is token 2152" in answer.stdout
    assert "69 + 16 tokens" in answer.stdout
    assert "cpu (as set" in answer.stdout
    assert answer.returncode == 1  # random weights prefer the wrong answer
    assert "the model prefers a wrong answer" in answer.stderr


def test_doctor_finds_the_built_in_model_well() -> None:
    answer = qwen_rerank("doctor", "--model", "builtin")
    assert answer.returncode == 0, answer.stderr
    assert "for the right answer" in answer.stdout


def test_doctor_says_once_that_a_model_is_out_of_reach(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("QWEN_RERANK_HUB", "huggingface")
    documents = tmp_path / "documents.txt"
    documents.write_text("a\n")
    compare = ["--compare", "int8", "--query", "q", "--documents", str(documents)]
    answer = in_a_new_process("doctor", *compare)  # packages read the variables when imported
    assert answer.returncode == 1
    assert [line.split()[0] for line in answer.stdout.splitlines()].count("problem") == 1
    assert "can't be reached" in answer.stderr


def test_download_prints_the_folder(tiny_model: Path) -> None:
    assert qwen_rerank("download", str(tiny_model)).stdout.strip() == str(tiny_model)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rerank", " "], "query must hold a text"),
        (["rerank", "q", "no-such-file"], "no-such-file"),
        (["rerank", "q", "--top-n", "0"], "top_n: .* got '0'"),
        (["rerank", "q", "--model", "./nowhere"], "neither a folder"),
        (["doctor", "--dtype", "int4"], "dtype"),
    ],
)
def test_an_error_is_one_line_and_exit_1(arguments: list[str], message: str) -> None:
    answer = qwen_rerank(*arguments, stdin="one document\n")
    assert answer.returncode == 1
    [line] = answer.stderr.splitlines()
    assert line.startswith("qwen-rerank: ")
    assert re.search(message, line), line


def test_a_server_out_of_reach_is_one_line_too() -> None:
    """In a new process, where what is logged goes to stderr."""
    answer = in_a_new_process("rerank", "q", "--base-url", "http://127.0.0.1:9", stdin="one\n")
    assert answer.returncode == 1
    [line] = answer.stderr.splitlines()
    assert line.startswith("qwen-rerank: ")
    assert "127.0.0.1:9" in line


def test_broken_weights_are_one_line_too(tiny_model: Path, tmp_path: Path) -> None:
    for file in tiny_model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = (tmp_path / "config.json").read_text().replace(": 96", ": 95")
    (tmp_path / "config.json").write_text(config)
    answer = in_a_new_process("rerank", "q", "--model", str(tmp_path), stdin="one\n")
    [line] = answer.stderr.splitlines()
    assert "don't fit config.json" in line


def test_download_fails_for_a_folder_without_weights(tmp_path: Path) -> None:
    shutil.copy(BUILTIN_FOLDER / "config.json", tmp_path)
    shutil.copy(BUILTIN_FOLDER / "tokenizer.json", tmp_path)
    answer = qwen_rerank("download", str(tmp_path))
    assert answer.returncode == 1
    [line] = answer.stderr.splitlines()
    assert "holds no model.safetensors: only safe tensors are read" in line


WITHOUT_TORCH = """
import importlib.util as u; find = u.find_spec
u.find_spec = lambda n, *p: None if n in ('torch', 'transformers') else find(n, *p)
"""


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (WITHOUT_TORCH, "not installed: torch, transformers. Run pip install"),
        (
            "import importlib.metadata as m; find = m.version\n"
            "m.version = lambda n: '4.51.3' if n == 'transformers' else find(n)",
            r"not installed: transformers>=4.56 \(this is 4.51.3\)",
        ),
    ],
)
def test_doctor_reports_to_the_end_without_torch_or_with_an_old_transformers(
    code: str, message: str
) -> None:
    run = "from qwen_rerank.cli.main import main; raise SystemExit(main(['doctor', *o]))"
    command = [sys.executable, "-c", f"o = ['--model', 'builtin']\n{code}\n{run}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert re.search(message, answer.stdout), answer.stdout
    assert "builtin in " in answer.stdout  # found after the problem
    [line] = answer.stderr.splitlines()
    assert re.search(message, line)


def test_doctor_downloads_no_model_that_it_can_not_use(tmp_path: Path) -> None:
    run = "from qwen_rerank.cli.main import main; raise SystemExit(main(['doctor']))"
    nowhere = {
        "QWEN_RERANK_HUB": "huggingface",
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_HOME": str(tmp_path),
        "HF_HUB_OFFLINE": "0",
        "TRANSFORMERS_OFFLINE": "0",
    }
    command = [sys.executable, "-c", f"{WITHOUT_TORCH}{run}"]
    answer = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **nowhere}
    )
    assert answer.returncode == 1
    assert "no hub may be contacted" in answer.stdout


def test_wrong_usage_is_exit_2() -> None:
    assert qwen_rerank("rerank").returncode == 2
    assert qwen_rerank("rerank", "q", "--topn", "3").returncode == 2
    assert qwen_rerank().returncode == 2


def test_version_and_help() -> None:
    assert qwen_rerank("--version").stdout.strip() == f"qwen-rerank {__version__}"
    text = qwen_rerank("rerank", "--help").stdout
    assert "--score-threshold" in text
    assert "api" not in text.lower(), "a key on a command line shows in the process list"
