"""Figures against ir-measures itself, and interruptions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ir_measures
import pytest
from ir_measures import RR, P, R, Success, nDCG

from qwen_rerank import ConfigError, Reranker, ScorerUnavailableError
from qwen_rerank.evaluation import Report, compare, read_dataset
from qwen_rerank.evaluation.retrievers import retrieve
from qwen_rerank.evaluation.run import Run, read_run, separated, write_run
from qwen_rerank.testing import FakeScorer
from tests.evaluation.data import OverlapScorer, read_qrels, write_folder, write_lines


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "set")


def reference(file: Path, folder: Path) -> dict[str, float]:
    """The figures that ir-measures gives for a written run."""
    measures: Any = {
        "hit@3": Success @ 3,
        "hits@3": P @ 3,
        "MRR@10": RR @ 10,
        "nDCG@10": nDCG @ 10,
        "recall@10": R @ 10,
    }
    run = list(ir_measures.read_trec_run(str(file)))
    found = ir_measures.calc_aggregate(list(measures.values()), read_qrels(folder), run)
    figures = {name: found[one] for name, one in measures.items()}
    return figures | {"hits@3": 3 * figures["hits@3"]}


@pytest.mark.parametrize("stage", ["bm25", "faiss"])
def test_figures_are_those_of_ir_measures(folder: Path, tmp_path: Path, stage: str) -> None:
    dataset = read_dataset(folder)
    run = retrieve(dataset, stage, 20)
    report = compare(dataset, run, Reranker(OverlapScorer()), fusion=True)
    assert report.fusion is not None
    runs = {"before": report.before, "after": report.after, "fusion": report.fusion}
    for side, run in runs.items():
        write_run(run, tmp_path / side)
        wanted = reference(tmp_path / side, folder)
        found = {name: getattr(one, side).mean for name, one in report.changes.items()}
        assert found == pytest.approx(wanted, abs=5e-5)
        assert 0 < found["nDCG@10"] < 1
    orders = {str([[one for one, _ in row] for row in run.values()]) for run in runs.values()}
    assert len(orders) == 3


def test_intervals_contain_their_means_and_equal_runs_do_not_differ(folder: Path) -> None:
    dataset = read_dataset(folder)
    before = retrieve(dataset, "bm25", 20)
    report = compare(dataset, before, Reranker(FakeScorer(lambda query, text: 0.5)))
    for change in report.changes.values():
        assert change.before == change.after
        assert change.before.low <= change.before.mean <= change.before.high
        assert (change.difference.low, change.difference.high) == (0, 0)
    assert all(one.rank_before == one.rank_after for one in report.queries)


def test_an_interrupted_evaluation_continues_to_the_same_figures(
    folder: Path, tmp_path: Path
) -> None:
    dataset, journal = read_dataset(folder), tmp_path / "out" / "journal.jsonl"
    before = retrieve(dataset, "bm25", 20)
    whole = compare(dataset, before, Reranker(OverlapScorer()))
    with pytest.raises(KeyboardInterrupt):
        compare(dataset, before, Reranker(OverlapScorer(6)), journal=journal)  # warm-up and 5
    with journal.open("a", encoding="utf-8") as torn:
        torn.write('{"query": "q5", "rank')
    scorer = OverlapScorer()
    resumed = compare(dataset, before, Reranker(scorer), journal=journal)
    assert scorer.queries[1:] == list(dataset.queries.values())[5:], "the rest only"
    assert figures(resumed) == figures(whole)
    assert resumed.after == whole.after
    again = OverlapScorer()
    assert figures(compare(dataset, before, Reranker(again), journal=journal)) == figures(whole)
    assert again.queries == []


def figures(report: Report) -> dict[str, Any]:
    """Everything but the times."""
    found = report.to_dict(per_query=True)
    for one in found["per_query"]:
        del one["seconds"]
    del found["latency_seconds"]
    return found


def test_the_journal_of_another_evaluation_is_refused(folder: Path, tmp_path: Path) -> None:
    dataset, journal = read_dataset(folder), tmp_path / "journal.jsonl"
    before = retrieve(dataset, "bm25", 20)
    compare(dataset, before, Reranker(OverlapScorer()), journal=journal)
    others: list[tuple[Run, Reranker]] = [
        (retrieve(dataset, "bm25", 10), Reranker(OverlapScorer())),
        (before, Reranker(OverlapScorer(), instruction="Find the answer")),
    ]
    for run, reranker in others:
        with pytest.raises(ConfigError, match="other data or settings"):
            compare(dataset, run, reranker, journal=journal)


def test_an_outage_stops_or_is_counted(folder: Path) -> None:
    dataset = read_dataset(folder)
    before = retrieve(dataset, "bm25", 20)
    scorer = FakeScorer(error=ScorerUnavailableError("down"))
    with pytest.raises(ScorerUnavailableError):
        compare(dataset, before, Reranker(scorer))
    report = compare(dataset, before, Reranker(scorer, on_error="original_order"))
    assert report.not_reranked == len(dataset.queries)
    assert all(change.before == change.after for change in report.changes.values())


def test_a_written_run_keeps_our_order_in_any_tool(tmp_path: Path, folder: Path) -> None:
    dataset = read_dataset(folder)
    near = [(f"d{place}", 1 - place * 1e-12) for place in (3, 1, 2, 9)] + [("d4", 0.0), ("d5", 0.0)]
    write_run({"q0": near}, tmp_path / "run")
    back = read_run(tmp_path / "run", dataset, 10)["q0"]
    assert [document for document, _ in back] == [document for document, _ in near]
    assert len({score for _, score in back}) == len(near)
    assert [score for _, score in back] == pytest.approx([s for _, s in separated(near)], abs=1e-9)


def test_hits_are_counted_by_hand(tmp_path: Path) -> None:
    case = {"query": "red pie", "documents": ["sky", "red", "red pie", "sea"], "relevant": [1, 2]}
    dataset = read_dataset(write_lines(tmp_path / "cases.jsonl", [{**case, "key": 2}]))
    report = compare(dataset, retrieve(dataset, "given", 4), Reranker(OverlapScorer()), top=2)
    [one] = report.queries
    assert one.before["hits@2"] == 1
    assert one.after["hits@2"] == 2
    assert (one.rank_before, one.rank_after) == (2, 1)
    assert one.before["MRR@10"] == pytest.approx(1 / 2)
    json.dumps(report.to_dict(per_query=True))
