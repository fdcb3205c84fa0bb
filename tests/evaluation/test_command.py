"""`qwen-rerank eval` as a shell calls it, on a small model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from examples.support.cases import FILE
from qwen_rerank.cli.main import main
from tests.evaluation.data import write_folder


def test_it_writes_runs_report_and_picture(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, output = write_folder(tmp_path / "set", queries=4), tmp_path / "out"
    command = ["eval", str(folder), "--model", str(tiny_model), "--device", "cpu"]
    picture = tmp_path / "figures.png"
    options = ["--candidates", "5", "--output", str(output), "--plot", str(picture), "--json"]
    assert main([*command, "--first-stage", "bm25", *options]) == 0
    shown = json.loads(capsys.readouterr().out)
    saved = json.loads((output / "report.json").read_text(encoding="utf-8"))
    assert len(saved.pop("per_query")) == shown["queries"] == 4
    assert saved == shown
    assert sorted(one.name for one in output.iterdir()) == [
        "after.trec",
        "before.trec",
        "report.json",
    ]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main([*command, "--first-stage", str(output / "after.trec"), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["measures"]
    assert {name: one["before"] for name, one in again.items()} == {
        name: one["after"] for name, one in shown["measures"].items()
    }


def test_the_five_cases_print_a_table(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["eval", str(FILE), "--model", str(tiny_model), "--device", "cpu", "--per-query"]
    assert main([*command, "--max-length", "256"]) == 0
    text = capsys.readouterr().out
    assert "5 queries, 50 documents" in text
    assert "faiss (lsa)" in text
    assert "hits@3" in text
    assert "企业微信审批怎么设置会签？" in text


def test_a_wrong_dataset_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "nowhere"]) == 1
    assert capsys.readouterr().err == "qwen-rerank: nowhere: no such file\n"
