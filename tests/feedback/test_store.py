"""The feedback file: what it stores, what it survives, and the statistics computed from it."""

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
from qwen_rerank.feedback.writer import PAUSE_SECONDS

DOCUMENTS = [f"hidden text {place}" for place in range(6)]
WRITER = """
import sys
from qwen_rerank import RerankResult
from qwen_rerank.feedback import FeedbackStore, writer
writer.RANKING_TIMEOUT = 20.0  # three processes on a slow disk may need more than 50 ms
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


def test_totals_equal_what_was_computed_by_hand(store: FeedbackStore) -> None:
    """Four reranked requests and two in the original order."""
    cases: list[tuple[Any, Any, Any]] = [
        (ranking(5, 4, 3, 2, 1, 0), [4], True),  # hit with, miss without
        (ranking(5, 4, 3, 2, 1, 0), [0, 5], True),  # hit with and without
        (ranking(3, 4, 5, 0, 1, 2), [1], False),  # miss with, hit without
        (ranking(3, 4, 5, 0, 1, 2), [], None),  # no document is relevant: judged, no hit
        (None, [0], False),
        (None, None, True),
    ]
    for results, relevant, adopted in cases:
        one = store.record_ranking("q", DOCUMENTS, results)
        store.record_feedback(one, relevant=relevant, adopted=adopted)
    store.record_ranking("q", DOCUMENTS, ranking(0, 1))  # without feedback
    found = store.totals()
    assert (found.judged, found.hits, found.hits_before) == (4, 2, 2)
    assert (found.hit_rate, found.hit_rate_before) == (0.5, 0.5)
    assert (found.answers, found.adopted) == (3, 2)
    assert found.adoption_rate == pytest.approx(2 / 3)
    assert (found.answers_before, found.adopted_before, found.adoption_rate_before) == (2, 1, 0.5)


def test_hit_rates_look_at_as_many_results_as_were_requested(store: FeedbackStore) -> None:
    one = store.record_ranking("q", DOCUMENTS, ranking(5), top_n=1)
    store.record_feedback(one, relevant=[1])
    assert (store.totals().hits, store.totals().hits_before) == (0, 0), (
        "only one result was requested"
    )
    store.record_feedback(one, relevant=[0])
    assert (store.totals().hits, store.totals().hits_before) == (0, 1)


def test_later_feedback_replaces_earlier_feedback_of_the_same_kind(store: FeedbackStore) -> None:
    one = store.record_ranking("q", DOCUMENTS, ranking(5, 4, 3, 2, 1, 0))
    store.record_feedback(one, relevant=[5], adopted=True)
    store.record_feedback(one, adopted=False)
    assert (store.totals().hits, store.totals().adopted) == (1, 0), "relevant is unchanged"
    store.record_feedback(one, relevant=[0])
    totals = store.totals()
    assert (totals.judged, totals.hits, totals.hits_before) == (1, 0, 1)
    assert (totals.answers, totals.adopted) == (1, 0)


def test_an_outage_is_not_a_rerank_and_a_strict_threshold_is_one(store: FeedbackStore) -> None:
    outage = [RerankResult(place, None, not_reranked="down") for place in range(6)]
    store.record_feedback(store.record_ranking("q", DOCUMENTS, outage), relevant=[0], adopted=True)
    assert (store.totals().judged, store.totals().answers_before) == (0, 1)
    store.record_feedback(store.record_ranking("q", DOCUMENTS, []), relevant=[0])
    assert (store.totals().judged, store.totals().hits, store.totals().hits_before) == (1, 0, 1)
    one = store.record_ranking("q", DOCUMENTS, ranking(5), top_n=2)
    store.record_feedback(one, relevant=[1])
    assert store.totals().hits_before == 2, (
        "the original order includes what the threshold left out"
    )
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
    assert (before.statistics.requests, today.statistics.requests) == (1, 4)
    assert (before.median, before.p95) == (0.4, 0.4)
    assert (today.median, today.p95) == (0.2, 0.3)
    assert before.day < today.day
    assert today.statistics.hit_rate is None


def test_texts_are_stored_only_if_requested(tmp_path: Path) -> None:
    for texts in (False, True):
        store = FeedbackStore(tmp_path / f"{texts}.db", texts=texts)
        one = store.record_ranking("secret question", DOCUMENTS, ranking(1, 0))
        store.record_feedback(one, relevant=[1])
        written = b"".join(file.read_bytes() for file in tmp_path.glob(f"{texts}.db*"))
        assert (b"secret question" in written) is texts
        assert (b"hidden text" in written) is texts


@pytest.mark.parametrize("relevant", [[6], [-1], [True], ["0"], [1.0]])
def test_indexes_without_a_document_are_refused(store: FeedbackStore, relevant: Any) -> None:
    one = store.record_ranking("q", DOCUMENTS, ranking(0))
    with pytest.raises(InvalidInputError, match="indexes from 0 to 5"):
        store.record_feedback(one, relevant=relevant)
    assert store.totals().judged == 0


def test_wrong_feedback_is_refused(store: FeedbackStore) -> None:
    with pytest.raises(UnknownRerankError, match="no rerank has the id"):
        store.record_feedback("nobody", adopted=True)
    one = store.record_ranking("q", DOCUMENTS)
    with pytest.raises(InvalidInputError, match="relevant or adopted"):
        store.record_feedback(one)
    wrong: Any = "no"
    with pytest.raises(InvalidInputError, match="true or false"):
        store.record_feedback(one, adopted=wrong)


@pytest.mark.parametrize("relevant", [iter([0]), map(int, "0"), 5, "0", b"\0"])
def test_relevant_must_be_a_collection(store: FeedbackStore, relevant: Any) -> None:
    """An iterator would be empty when it is stored."""
    one = store.record_ranking("q", DOCUMENTS, ranking(0))
    with pytest.raises(InvalidInputError, match="list of indexes"):
        store.record_feedback(one, relevant=relevant)
    store.record_feedback(one, relevant={0})
    assert store.totals().hits == 1


@pytest.mark.parametrize("wrong", [None, 5, "", "\ud800"])
def test_an_id_must_be_a_text(store: FeedbackStore, wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match="rerank_id"):
        store.record_feedback(wrong, adopted=True)
    if wrong is not None:
        with pytest.raises(InvalidInputError, match="rerank_id"):
            store.record_ranking("q", DOCUMENTS, rerank_id=wrong)


@pytest.mark.parametrize("wrong", ["no", None, 0])
def test_adopted_must_be_a_bool(store: FeedbackStore, wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match="true or false"):
        store.record_answer(wrong)
    assert store.totals().requests == 0


def test_an_id_belongs_to_one_ranking(store: FeedbackStore) -> None:
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
                assert last, "the process ended by itself"
            process.send_signal(signal.SIGKILL)
            printed = [last, *process.stdout]
        whole = [line for line in printed if line.endswith("\n")]  # the last one may be cut
        number = int(whole[-1].rpartition("-")[2])
        store = FeedbackStore(file)
        totals = store.totals()
        assert totals.adopted == totals.hits >= number
        store.record_feedback(f"a-{number}", adopted=False)
        assert store.totals().judged >= number
        with sqlite3.connect(file) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_several_processes_may_create_and_write_one_file_at_once(tmp_path: Path) -> None:
    processes = [writer(tmp_path / "new.db", name, 150) for name in "abc"]
    printed = [process.communicate()[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert all(len(lines) == 300 for lines in printed)
    totals = FeedbackStore(tmp_path / "new.db").totals()
    assert (totals.judged, totals.hits, totals.adopted) == (450, 450, 450)


def test_a_file_that_fails_raises_for_feedback_and_not_for_rankings(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwen_rerank.feedback.writer.RANKING_TIMEOUT", 20.0)  # it fails at once
    broken = tmp_path / "broken.db"
    broken.write_text("not a database, and long enough to be checked" * 100)
    store = FeedbackStore(broken)
    with caplog.at_level(logging.WARNING):
        assert store.record_ranking("q", DOCUMENTS) != store.record_ranking("q", DOCUMENTS)
    assert store.lost == 2
    assert len(caplog.records) == 1, "one log line for several failures in a row"
    with pytest.raises(FeedbackError, match=r"broken\.db fails"):
        store.record_feedback("x", adopted=True)
    broken.unlink()
    one = store.record_ranking("q", DOCUMENTS, ranking(0))
    store.record_feedback(one, relevant=[0])
    assert store.totals().hits == 1, "the store works again without a restart"


FULL_DISK = """
import resource, sys
from qwen_rerank.feedback import FeedbackStore
store, one = FeedbackStore(sys.argv[1]), sys.argv[2]
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
for _ in range(1000):
    store.record_ranking("q", ["text"] * 100)
    if store.lost:
        break
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.record_feedback(one, relevant=[0])
print(store.lost)
"""


def test_a_full_disk_loses_new_rankings_and_no_stored_ones(store: FeedbackStore) -> None:
    one = store.record_ranking("q", DOCUMENTS, ranking(0))
    command = [sys.executable, "-c", FULL_DISK, str(store.path), one]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout == "1\n"
    assert store.totals().hits == 1


def test_rankings_do_not_wait_for_another_process_that_keeps_the_file_locked(
    store: FeedbackStore, later: Callable[[float], None]
) -> None:
    """After the first ones waited in vain, none is stored for 10 s."""
    one = store.record_ranking("q", DOCUMENTS, ranking(0))
    with closing(_free_connection(store.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        Timer(2, lambda: other.execute("ROLLBACK")).start()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: store.record_ranking("q", DOCUMENTS, ranking(0)), range(4)))
        assert store.lost == 4, "after two seconds they would be stored"
        store.record_feedback(one, relevant=[0])  # waits for two seconds
    assert store.totals().hits == 1
    store.record_ranking("q", DOCUMENTS, ranking(0))
    assert store.lost == 5, "no ranking is stored during the pause"
    later(PAUSE_SECONDS)
    store.record_ranking("q", DOCUMENTS, ranking(0))
    assert store.lost == 5


def test_a_ranking_that_waits_for_another_thread_starts_no_pause(
    store: FeedbackStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwen_rerank.feedback.writer.RANKING_TIMEOUT", 0.0)
    store.record_ranking("q", DOCUMENTS, ranking(0))
    with store.database.writing():
        store.record_ranking("q", DOCUMENTS, ranking(0))
    store.record_ranking("q", DOCUMENTS, ranking(0))
    assert store.lost == 1


def test_a_file_of_another_program_is_not_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for change in ("CREATE TABLE mine (a)", "PRAGMA user_version = 7"):
        file = tmp_path / f"{change[:6]}.db"
        with closing(sqlite3.connect(file)) as connection:
            connection.execute(change)
        before = file.read_bytes()
        assert main(["feedback", "export", str(file)]) == 1
        assert "not a feedback file" in capsys.readouterr().err
        store = FeedbackStore(file)
        store.record_ranking("q", DOCUMENTS)
        assert store.lost == 1
        assert file.read_bytes() == before


def test_a_read_only_store_changes_nothing(store: FeedbackStore) -> None:
    one = store.record_ranking("q", DOCUMENTS, ranking(0))
    reader = FeedbackStore(store.path, read_only=True)
    with pytest.raises(FeedbackError, match="readonly"):
        reader.record_feedback(one, relevant=[0])
    store.record_feedback(one, relevant=[0])
    store.close()
    before = store.path.read_bytes()
    assert [one.relevant for one in reader.judged()] == [[0]]
    reader.close()
    assert store.path.read_bytes() == before


def test_a_closed_store_is_one_file(store: FeedbackStore, tmp_path: Path) -> None:
    store.record_feedback(store.record_ranking("q", DOCUMENTS, ranking(0)), relevant=[0])
    store.close()
    copy = tmp_path / "copy.db"
    copy.write_bytes(store.path.read_bytes())
    assert FeedbackStore(copy).totals().hits == 1
    store.record_feedback(store.record_ranking("q", DOCUMENTS, ranking(0)), relevant=[0])
    assert store.totals().hits == 2, "the store is still usable"


def test_a_pickled_store_uses_the_same_file(store: FeedbackStore) -> None:
    one = store.record_ranking("q", DOCUMENTS, ranking(0))
    pickle.loads(pickle.dumps(store)).record_feedback(one, adopted=True)
    assert store.totals().adopted == 1


def test_eval_reads_an_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Round trip: `eval` on the export finds the hit rates of the feedback."""
    file, out = tmp_path / "feedback.db", tmp_path / "cases.jsonl"
    store = FeedbackStore(file, texts=True)
    documents = ["Our office is in Hangzhou.", "投诉\n处理", "A refund takes five working days."]
    query = "How long does a refund take?"
    one = store.record_ranking(query, documents, ranking(2, 0, 1))
    store.record_feedback(one, relevant=[2])
    bare = FeedbackStore(file)  # the same file, without texts
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


def test_an_export_without_lines_says_what_is_missing(
    store: FeedbackStore, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["feedback", "export", str(store.path)]
    assert main(command) == 1
    assert "no such file" in capsys.readouterr().err
    one = store.record_ranking("q", DOCUMENTS, ranking(0))
    assert main(command) == 1
    assert "no ranking has feedback" in capsys.readouterr().err
    store.record_feedback(one, relevant=[0])
    assert main(command) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "1 rankings are judged" in printed.err
    assert "--feedback-texts" in printed.err


def _free_connection(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, isolation_level=None, check_same_thread=False)
