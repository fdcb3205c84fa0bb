"""The notebooks run as they stand, and print what they show."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.examples.pages import ROOT

NOTEBOOKS = ["langchain_faiss.ipynb", "llama_index_faiss.ipynb"]
LIMIT = 300
"""Seconds for one cell on a busy machine."""
_SCORE = re.compile(r"^[01]\.\d{3}  ", re.MULTILINE)


def printed_by(notebook: nbformat.NotebookNode) -> str:
    """What the cells print, without scores, which may differ a little between machines."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = "".join(output.text for output in outputs if output.get("name") == "stdout")
    return _SCORE.sub("", text)


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_prints_what_it_shows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "core"), str(ROOT)]))
    shown, run = (nbformat.read(ROOT / "examples" / name, as_version=4) for _ in range(2))
    folder = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(run, timeout=LIMIT, kernel_name="python3", resources=folder).execute()
    assert printed_by(run) == printed_by(shown)
    reranked = printed_by(shown).index("A refund takes five working days.\nTo get")
    assert printed_by(shown).startswith("How long does delivery take?")
    assert reranked > 0


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_holds_no_path_of_a_machine(name: str) -> None:
    text = (ROOT / "examples" / name).read_text("utf-8")
    assert not re.search(r"/(home|work|tmp|usr)/", text)
