"""The feedback file: what it keeps, what it survives, and the figures made of it."""

from __future__ import annotations

import json
import logging
import pickle
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from qwen_rerank import InvalidInputError, RerankResult
from qwen_rerank.cli.main import main
from qwen_rerank.errors import FeedbackError, UnknownRerankError
from qwen_rerank.feedback import FeedbackStore
from qwen_rerank.feedback.database import InUseError
from qwen_rerank.scorers import breaker

DOCUMENTS = [f"hidden text {place}" for place in range(6)]
WRITER = """
import sys
from qwen_rerank import RerankResult
from qwen_rerank.feedback import FeedbackStore, writer
writer.QUICK = 20.0  # a ranking that came too late would rightly be dropped
store, name, count = FeedbackStore(sys.argv[1]), sys.argv[2], int(sys.argv[3])
results = [RerankResult(place, 0.5) for place in (4, 0, 1, 2, 3)]
for number in range(count):
    one = store.record_ranking("q", list("abcde"), results, rerank_id=f"{name}-{number}")
    print("ranked", one, flush=True)
    store.record_feedback(one, relevant=[4], adopted=True)
    print("judged", one, flush=True)
"""


def ranking(*places: int) -> list[RerankResult]:
    return [RerankResult(place, 1 - rank / 100) for rank, place in enumerate(places)]


@pytest.fixture
def store(tmp_path: Path) -> FeedbackStore:
    return FeedbackStore(tmp_path / "feedback.db")


def writer(file: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(file), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_the_figures_are_those_of_a_pencil(store: FeedbackStore) -> None:
    """Four reranked requests and two in the original order."""
    cases: list[tuple[Any, Any, Any]] = [
        (ranking(5, 4, 3, 2, 1, 0), [4], True),  # hit with, miss without
        (ranking(5, 4, 3, 2, 1, 0), [0, 5], True),  # hit with and without
        (ranking(3, 4, 5, 0, 1, 2), [1], False),  # miss with, hit without
        (ranking(3, 4, 5, 0, 1, 2), [], None),  # nothing was relevant: judged, no hit
        (None, [0], False),
        (None, None, True),
    ]
    for results, relevant, adopted in cases:
        one = store.record_ranking("q", DOCUMENTS, results)
        store.record_feedback(one, relevant=relevant, adopted=adopted)
    store.record_ranking("q", DOCUMENTS, ranking(0, 1))  # of which nobody said anything
    found = store.totals()
    assert (found.judged, found.hits, found.hits_before) == (4, 2, 2)
    assert (found.hit_rate, found.hit_rate_before) == (0.5, 0.5)
    assert (found.answers, found.adopted) == (3, 2)
    assert found.adoption_rate == pytest.approx(2 / 3)
    assert (found.answers_before, found.adopted_before, found.adoption_rate_before) == (2, 1, 0.5)


def test_both_sides_count_as_many_as_were_asked_for(store: FeedbackStore) -> None:
    one = store.record_ranking("q", DOCUMENTS, ranking(5), top_n=1)
    store.record_feedback(one, relevant=[1])
    assert (store.totals().hits, store.totals().hits_before) == (0, 0), "only one was shown"
    store.record_feedback(one, relevant=[0])
    assert (store.totals().hits, store.totals().hits_before) == (0, 1)


def test_the_last_word_counts_for_each_of_the_two(store: FeedbackStore) -> None:
    one = store.record_ranking("q", DOCUMENTS, ranking(5, 4, 3, 2, 1, 0))
    store.record_feedback(one, relevant=[5], adopted=True)
    store.record_feedback(one, adopted=False)
    assert (store.totals().hits, store.totals().adopted) == (1, 0), "relevant stays as it was"
    store.record_feedback(one, relevant=[0])
    figures = store.totals()
    assert (figures.judged, figures.hits, figures.hits_before) == (1, 0, 1)
    assert (figures.answers, figures.adopted) == (1, 0)


def test_an_outage_is_no_rerank_and_a_strict_threshold_is_one(store: FeedbackStore) -> None:
    outage = [RerankResult(place, None, not_reranked="down") for place in range(6)]
    store.record_feedback(store.record_ranking("q", DOCUMENTS, outage), relevant=[0], adopted=True)
    assert (store.totals().judged, store.totals().answers_before) == (0, 1)
    store.record_feedback(store.record_ranking("q", DOCUMENTS, []), relevant=[0])
    assert (store.totals().judged, store.totals().hits, store.totals().hits_before) == (1, 0, 1)
    one = store.record_ranking("q", DOCUMENTS, ranking(5), top_n=2)
    store.record_feedback(one, relevant=[1])
    assert store.totals().hits_before == 2, "what the threshold left out had been shown before"
    store.record_feedback(one, relevant=[2])
    assert store.totals().hits_before == 1


def test_days_hold_requests_rates_and_latency(
    store: FeedbackStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = time.time() // 86_400 * 86_400 + 43_200
    for age, seconds in ((0, [0.1, 0.2, 0.3]), (1, [0.4]), (40, [9.0])):
        monkeypatch.setattr(time, "time", lambda age=age: noon - age * 86_400)
        for one in seconds:
            store.record_ranking("q", DOCUMENTS, ranking(0, 1, 2), seconds=one)
    monkeypatch.setattr(time, "time", lambda: noon)
    store.record_ranking("q", DOCUMENTS, ranking(0, 1, 2))  # without a time
    before, today = store.days(30)
    assert (before.figures.requests, today.figures.requests) == (1, 4)
    assert (before.median, before.p95) == (0.4, 0.4)
    assert (today.median, today.p95) == (0.2, 0.3)
    assert before.day < today.day
    assert today.figures.hit_rate is None


def test_no_text_is_kept_unless_asked(tmp_path: Path) -> None:
    for texts in (False, True):
        store = FeedbackStore(tmp_path / f"{texts}.db", texts=texts)
        one = store.record_ranking("secret question", DOCUMENTS, ranking(1, 0))
        store.record_feedback(one, relevant=[1])
        written = b"".join(file.read_bytes() for file in tmp_path.glob(f"{texts}.db*"))
        assert (b"secret question" in written) is texts
        assert (b"hidden text" in written) is texts


@pytest.mark.parametrize("relevant", [[6], [-1], [True], ["0"], [1.0]])
def test_places_without_a_document_are_refused(store: FeedbackStore, relevant: Any) -> None:
    one = store.record_ranking("q", DOCUMENTS, ranking(0))
    with pytest.raises(InvalidInputError, match="places from 0 to 5"):
        store.record_feedback(one, relevant=relevant)
    assert store.totals().judged == 0


def test_wrong_feedback_is_refused(store: FeedbackStore) -> None:
    with pytest.raises(UnknownRerankError, match="no rerank"):
        store.record_feedback("nobody", adopted=True)
    one = store.record_ranking("q", DOCUMENTS)
    with pytest.raises(InvalidInputError, match="relevant or adopted"):
        store.record_feedback(one)
    wrong: Any = "no"
    with pytest.raises(InvalidInputError, match="true or false"):
        store.record_feedback(one, adopted=wrong)


@pytest.mark.parametrize("relevant", [iter([0]), map(int, "0"), 5, "0", b"\0"])
def test_relevant_must_be_a_collection(store: FeedbackStore, relevant: Any) -> None:
    """An iterator would be empty when it is written down."""
    one = store.record_ranking("q", DOCUMENTS, ranking(0))
    with pytest.raises(InvalidInputError, match="list of places"):
        store.record_feedback(one, relevant=relevant)
    store.record_feedback(one, relevant={0})
    assert store.totals().hits == 1


@pytest.mark.parametrize("wrong", [None, 5, "", "\ud800"])
def test_ids_are_texts(store: FeedbackStore, wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match="rerank_id"):
        store.record_feedback(wrong, adopted=True)
    if wrong is not None:
        with pytest.raises(InvalidInputError, match="rerank_id"):
            store.record_ranking("q", DOCUMENTS, rerank_id=wrong)


@pytest.mark.parametrize("wrong", ["no", None, 0])
def test_adoption_is_true_or_false(store: FeedbackStore, wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match="true or false"):
        store.record_answer(wrong)
    assert store.totals().requests == 0


def test_an_id_names_one_ranking(store: FeedbackStore) -> None:
    store.record_ranking("q", DOCUMENTS, ranking(0), rerank_id="mine")
    with pytest.raises(InvalidInputError, match="already"):
        store.record_ranking("q", DOCUMENTS, ranking(1), rerank_id="mine")
    store.record_feedback("mine", relevant=[0])
    assert (store.totals().hits, store.lost) == (1, 0)


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    for kill_after in ("ranked", "judged"):
        file = tmp_path / f"{kill_after}.db"
        with writer(file, "a", 1_000_000) as process:
            assert process.stdout
            for _ in range(50):
                process.stdout.readline()
            while not (last := process.stdout.readline()).startswith(kill_after):
                assert last, "it ended by itself"
            process.send_signal(signal.SIGKILL)
            said = [last, *process.stdout]
        whole = [line for line in said if line.endswith("\n")]  # the last one may be cut
        number = int(whole[-1].rpartition("-")[2])
        store = FeedbackStore(file)
        figures = store.totals()
        assert figures.adopted == figures.hits >= number
        store.record_feedback(f"a-{number}", adopted=False)
        assert store.totals().judged >= number
        with sqlite3.connect(file) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_processes_write_at_once_from_the_first_moment(tmp_path: Path) -> None:
    processes = [writer(tmp_path / "new.db", name, 150) for name in "abc"]
    said = [process.communicate()[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert all(len(lines) == 300 for lines in said)
    figures = FeedbackStore(tmp_path / "new.db").totals()
    assert (figures.judged, figures.hits, figures.adopted) == (450, 450, 450)


def test_a_store_that_fails_breaks_no_ranking(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwen_rerank.feedback.writer.QUICK", 20.0)  # so that it fails at once
    broken = tmp_path / "broken.db"
    broken.write_text("this is no database, and long enough to tell" * 100)
    store = FeedbackStore(broken)
    with caplog.at_level(logging.WARNING):
        assert store.record_ranking("q", DOCUMENTS) != store.record_ranking("q", DOCUMENTS)
    assert store.lost == 2
    assert len(caplog.records) == 1, "once per failure"
    with pytest.raises(FeedbackError, match=r"broken\.db fails"):
        store.record_feedback("x", adopted=True)
    broken.unlink()
    one = store.record_ranking("q", DOCUMENTS, ranking(0))
    store.record_feedback(one, relevant=[0])
    assert store.totals().hits == 1, "healed without a restart"


def test_a_full_disk_loses_what_is_new_and_nothing_else(store: FeedbackStore) -> None:
    one = store.record_ranking("q", DOCUMENTS, ranking(0))
    connection = next(iter(store._database._open.values()))
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    lost = 0
    for _ in range(200):
        store.record_ranking("q", DOCUMENTS, ranking(*range(6)))
        lost = store.lost
        if lost:
            break
    assert lost
    store.record_feedback(one, relevant=[0])
    assert store.totals().hits == 1


def test_a_file_that_others_lock_makes_no_ranking_wait_for_long(
    store: FeedbackStore, later: Callable[[float], None]
) -> None:
    """After the first one, none asks the file until it is tried again."""
    one = store.record_ranking("q", DOCUMENTS, ranking(0))
    with closing(_free_connection(store.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        Timer(2, lambda: other.execute("ROLLBACK")).start()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: store.record_ranking("q", DOCUMENTS, ranking(0)), range(4)))
        assert store.lost == 4, "who waits for two seconds would have kept them"
        store.record_feedback(one, relevant=[0])  # is patient
    assert store.totals().hits == 1
    store.record_ranking("q", DOCUMENTS, ranking(0))
    assert store.lost == 5, "left alone"
    later(breaker.REST_SECONDS)
    store.record_ranking("q", DOCUMENTS, ranking(0))
    assert store.lost == 5


def test_who_waited_for_another_thread_does_not_undo_what_that_one_found(
    store: FeedbackStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_use(*_: Any) -> None:
        store._writer._breaker.failed(at_once=True)  # by the other thread, meanwhile
        raise InUseError("in use for long")

    with monkeypatch.context() as waiting:
        waiting.setattr(store._writer, "_insert", in_use)
        store.record_ranking("q", DOCUMENTS, ranking(0))
    store.record_ranking("q", DOCUMENTS, ranking(0))
    assert store.lost == 2, "the file is left alone"


def test_a_file_that_another_thread_uses_is_tried_again_each_time(
    store: FeedbackStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwen_rerank.feedback.writer.QUICK", 0.0)
    store.record_ranking("q", DOCUMENTS, ranking(0))
    with store._database._lock:
        store.record_ranking("q", DOCUMENTS, ranking(0))
    store.record_ranking("q", DOCUMENTS, ranking(0))
    assert store.lost == 1


def test_other_peoples_files_stay_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for change in ("CREATE TABLE mine (a)", "PRAGMA user_version = 7"):
        file = tmp_path / f"{change[:6]}.db"
        with closing(sqlite3.connect(file)) as connection:
            connection.execute(change)
        before = file.read_bytes()
        assert main(["feedback", "export", str(file)]) == 1
        assert "no feedback file" in capsys.readouterr().err
        store = FeedbackStore(file)
        store.record_ranking("q", DOCUMENTS)
        assert store.lost == 1
        assert file.read_bytes() == before


def test_an_export_changes_nothing(store: FeedbackStore) -> None:
    one = store.record_ranking("q", DOCUMENTS, ranking(0))
    looking = FeedbackStore(store.path, read_only=True)
    with pytest.raises(FeedbackError, match="readonly"):
        looking.record_feedback(one, relevant=[0])
    store.record_feedback(one, relevant=[0])
    store.close()
    before = store.path.read_bytes()
    assert [one.relevant for one in looking.judged()] == [[0]]
    looking.close()
    assert store.path.read_bytes() == before


def test_a_store_pickles_as_its_settings(store: FeedbackStore) -> None:
    one = store.record_ranking("q", DOCUMENTS, ranking(0))
    pickle.loads(pickle.dumps(store)).record_feedback(one, adopted=True)
    assert store.totals().adopted == 1


def test_an_export_is_a_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Round trip: the figures of `eval` on the export are those of the feedback."""
    file, out = tmp_path / "feedback.db", tmp_path / "cases.jsonl"
    store = FeedbackStore(file, texts=True)
    documents = ["Our office is in Hangzhou.", "投诉\n处理", "A refund takes five working days."]
    query = "How long does a refund take?"
    one = store.record_ranking(query, documents, ranking(2, 0, 1))
    store.record_feedback(one, relevant=[2])
    bare = FeedbackStore(file)  # the same file, later without texts
    bare.record_feedback(bare.record_ranking("q", ["a"], ranking(0)), relevant=[0])
    store.record_ranking(query, documents)  # not judged
    assert main(["feedback", "export", str(file), "--output", str(out)]) == 0
    assert "left out for want of texts: 1" in capsys.readouterr().err
    [line] = out.read_text(encoding="utf-8").splitlines()
    wanted = {"id": one, "query": query, "documents": documents, "relevant": [2]}
    assert json.loads(line) == wanted
    command = ["eval", str(out), "--model", "builtin", "--first-stage", "given", "--top", "1"]
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    hit = report["measures"]["hit@1"]
    assert (hit["before"]["mean"], hit["after"]["mean"]) == (0, 1)


def test_an_export_says_what_is_missing(
    store: FeedbackStore, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["feedback", "export", str(store.path)]
    assert main(command) == 1
    assert "no such file" in capsys.readouterr().err
    one = store.record_ranking("q", DOCUMENTS, ranking(0))
    assert main(command) == 1
    assert "no ranking" in capsys.readouterr().err
    store.record_feedback(one, relevant=[0])
    assert main(command) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "1 rankings are judged" in said.err
    assert "--feedback-texts" in said.err


def _free_connection(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, isolation_level=None, check_same_thread=False)
