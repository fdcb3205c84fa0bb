"""`qwen-rerank eval` as a shell calls it, on a small model."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from examples.support.cases import CHINESE
from qwen_rerank import Reranker
from qwen_rerank.cli import evaluate
from qwen_rerank.cli.main import main
from tests.evaluation.data import OverlapScorer, write_folder


def use(monkeypatch: pytest.MonkeyPatch, scorer: OverlapScorer) -> OverlapScorer:
    """Let the command measure this scorer."""
    monkeypatch.setattr(evaluate, "load", lambda settings: Reranker(scorer))
    return scorer


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
        "first_stage.json",
        "journal.jsonl",
        "report.json",
    ]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main([*command, "--first-stage", str(output / "after.trec"), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["measures"]
    assert {name: one["before"] for name, one in again.items()} == {
        name: one["after"] for name, one in shown["measures"].items()
    }


def test_the_five_cases_print_a_table(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["eval", str(CHINESE), "--model", str(tiny_model), "--device", "cpu", "--per-query"]
    assert main([*command, "--max-length", "256"]) == 0
    text = capsys.readouterr().out
    assert "5 queries, 50 documents" in text
    assert "faiss (lsa)" in text
    assert "hits@3" in text
    assert "企业微信审批怎么设置会签？" in text


def test_a_wrong_dataset_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "nowhere"]) == 1
    assert capsys.readouterr().err.endswith("\nqwen-rerank: nowhere: no such file\n")


def test_fusion_is_a_third_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, OverlapScorer())
    command = ["eval", str(write_folder(tmp_path / "set")), "--first-stage", "bm25", "--fusion"]
    output = tmp_path / "out"
    assert main([*command, "--per-query", "--output", str(output)]) == 0
    text = capsys.readouterr().out
    assert re.search(r"before \[.*after \[.*fusion \[95 % interval\]\n", text)
    assert re.search(r"difference to before:\n +after \[.*fusion \[95 % interval\]\nhit@3 ", text)
    assert re.search(r"\n\d\.\d{3} > \d\.\d{3} > \d\.\d{3} .* q3  ", text)
    assert len((output / "fusion.trec").read_text().splitlines()) == 12 * 50
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["measures"]["nDCG@10"]
    low, mean, high = (found["fusion_difference"][name] for name in ("low", "mean", "high"))
    assert mean == pytest.approx(found["fusion"]["mean"] - found["before"]["mean"])
    assert low <= mean <= high


def test_a_redirected_stderr_shows_stages_and_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, OverlapScorer())
    folder = write_folder(tmp_path / "set")
    assert main(["eval", str(folder), "--first-stage", "bm25"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[:4] == [
        f"reading {folder} ...",
        "queries left out, as no document is relevant to them: 1",
        "searching 60 documents with bm25 ...",
        "loading the model or reaching the server ...",
    ]
    assert lines[4] == "2 of 12 queries reranked"
    assert lines[-1] == "12 of 12 queries reranked"
    assert len(lines) == 14


@pytest.mark.parametrize("kept", [True, False])
def test_ctrl_c_says_how_to_continue(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kept: bool,
) -> None:
    use(monkeypatch, OverlapScorer(queries_left=4))
    command = ["eval", str(write_folder(tmp_path / "set")), "--first-stage", "bm25"]
    command += ["--output", str(tmp_path / "out")] if kept else []
    assert main(command) == 130
    message = "run the same command again to continue" if kept else "with --output FOLDER"
    assert message in capsys.readouterr().err
    scorer = use(monkeypatch, OverlapScorer())
    assert main(command) == 0
    assert len(scorer.queries) == 1 + (9 if kept else 12), "the warm-up and what was left"


def test_a_finished_evaluation_is_not_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, OverlapScorer())
    command = ["eval", str(write_folder(tmp_path / "set")), "--first-stage", "bm25"]
    command += ["--output", str(tmp_path / "out")]
    assert main([*command, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    scorer = use(monkeypatch, OverlapScorer())
    assert main([*command, "--json"]) == 0
    again = capsys.readouterr()
    assert json.loads(again.out) == first
    assert "searching" not in again.err
    assert scorer.queries == []
    assert main([*command, "--candidates", "5"]) == 1
    assert "searching" in capsys.readouterr().err, "other settings make another first stage"


def test_outputs_are_checked_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.touch()
    for options, message in (
        (["--plot", str(tmp_path / "nowhere" / "a.png")], "nowhere is not a folder that can be"),
        (["--plot", str(tmp_path)], f"plot: wanted a file, got the folder {tmp_path}"),
        (["--output", str(file)], f"output: wanted a folder, got the file {file}"),
    ):
        assert main(["eval", "no-dataset", *options]) == 1
        assert message in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that can't be written")
def test_the_table_is_printed_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, OverlapScorer())
    command = ["eval", str(write_folder(tmp_path / "set")), "--first-stage", "bm25"]
    assert main([*command, "--plot", "/dev/full"]) == 1
    printed = capsys.readouterr()
    assert "No space left" in printed.err
    assert "nDCG@10" in printed.out
