"""What is read, and what is refused with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qwen_rerank import ConfigError, InvalidInputError
from qwen_rerank.evaluation import read_dataset
from qwen_rerank.evaluation.retrievers import retrieve
from qwen_rerank.evaluation.run import read_run
from tests.evaluation.data import write_folder, write_lines


def test_a_folder_holds_documents_with_titles_and_judged_queries(tmp_path: Path) -> None:
    dataset = read_dataset(write_folder(tmp_path / "set"))
    assert len(dataset.documents) == 60
    assert dataset.documents["d5"].startswith("t5 ")
    assert len(dataset.queries) == 12, "the query without a relevant document can't be measured"
    assert list(dataset.queries) == list(dataset.qrels)


def test_beirs_own_place_and_header_are_read(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "set")
    (folder / "qrels").mkdir()
    text = (folder / "qrels.tsv").read_text(encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{text}", "utf-8")
    wanted = read_dataset(folder).qrels
    (folder / "qrels.tsv").unlink()
    assert read_dataset(folder).qrels == wanted


def test_titles_may_stand_for_empty_texts_only(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "set")
    lines = [
        json.loads(line) for line in (folder / "corpus.jsonl").read_text("utf-8").split("\n")[:-1]
    ]
    lines[7]["text"] = ""
    write_lines(folder / "corpus.jsonl", lines)
    with_titles, without = read_dataset(folder), read_dataset(folder, titles=False)
    assert with_titles.documents["d7"] == without.documents["d7"] == "t7"
    assert with_titles.documents["d5"] == f"t5 {without.documents['d5']}"


def test_a_sample_is_spread_evenly_over_the_file(tmp_path: Path) -> None:
    dataset = read_dataset(write_folder(tmp_path / "set"))
    sample = dataset.sample(5)
    assert list(sample.queries) == ["q0", "q2", "q4", "q7", "q9"]
    assert list(sample.qrels) == list(sample.queries)
    assert sample.fingerprint == dataset.sample(5).fingerprint != dataset.fingerprint
    assert dataset.sample(None) is dataset.sample(12) is dataset


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("q0\td1", r"qrels.tsv:\d+: wanted query, document and grade"),
        ("q0\tnowhere\t1", "no document 'nowhere'"),
        ("q0\td1\tgood", "wanted query, document and grade"),
    ],
)
def test_wrong_judgements_are_named(tmp_path: Path, line: str, message: str) -> None:
    folder = write_folder(tmp_path / "set")
    with (folder / "qrels.tsv").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(InvalidInputError, match=message):
        read_dataset(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", ":1: not JSON"),
        ('{"query": "a"}', ":1: wanted an object with query, documents, relevant"),
        ('{"query": "a", "documents": ["b"], "relevant": [1]}', "place without a document"),
        ('{"query": "a", "documents": ["b"], "relevant": []}', "no query has a relevant"),
    ],
)
def test_wrong_cases_are_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInputError, match=message):
        read_dataset(file)


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no such file"):
        read_dataset(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    for name in ("corpus.jsonl", "queries.jsonl"):
        write_lines(tmp_path / "empty" / name, [{"_id": "a", "text": "b"}])
    with pytest.raises(InvalidInputError, match="wanted judgements"):
        read_dataset(tmp_path / "empty")


def test_a_run_file_is_a_first_stage(tmp_path: Path) -> None:
    dataset = read_dataset(write_folder(tmp_path / "set"))
    file = tmp_path / "run"
    file.write_text("q1 Q0 d3 2 0.5 x\nq1 Q0 d4 1 0.9 x\nelse Q0 d1 1 1 x\n", encoding="utf-8")
    assert retrieve(dataset, str(file), 1)["q1"] == [("d4", 0.9)]
    assert retrieve(dataset, str(file), 5)["q2"] == []
    file.write_text("q1 Q0 nowhere 1 1 x\n", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="no document 'nowhere'"):
        read_run(file, dataset, 5)
    with pytest.raises(ConfigError, match="or a run file, got 'bm52'"):
        retrieve(dataset, "bm52", 5)
    with pytest.raises(ConfigError, match="only a JSONL file"):
        retrieve(dataset, "given", 5)
