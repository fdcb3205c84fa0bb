"""What is said where optional packages are missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

HIDE = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda n, *p: None if n.split(".")[0] in {names} else find(n, *p)
sys.meta_path.insert(0, Hidden())
"""


def last_line(code: str, *hidden: str) -> str:
    """The end of what a fresh Python writes to stderr that lacks these modules."""
    code = HIDE.format(names=set(hidden)) + code
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("package", "module", "extra"),
    [
        ("langchain_qwen_rerank", "langchain_core", "langchain"),
        ("llama_index_qwen_rerank", "llama_index", "llama-index"),
    ],
)
def test_an_adapter_without_its_framework_names_its_extra(
    package: str, module: str, extra: str
) -> None:
    line = last_line(f"import {package}", module)
    assert "MissingDependencyError" in line
    assert f'pip install ".[{extra}]"' in line


@pytest.mark.parametrize(
    ("arguments", "hidden", "extras"),
    [
        (["serve"], ["torch", "fastapi", "streamlit"], "local,server,ui"),
        (["serve", "--no-ui"], ["fastapi", "streamlit"], "server"),
        (["eval", "set.jsonl"], ["transformers", "faiss"], "local,eval"),
    ],
)
def test_a_command_names_all_missing_extras_at_once(
    arguments: list[str], hidden: list[str], extras: str
) -> None:
    code = f"from qwen_rerank.cli.main import main; raise SystemExit(main({arguments}))"
    line = last_line(code, *hidden)
    assert line.startswith("qwen-rerank: ")
    assert f'pip install ".[{extras}]"' in line
