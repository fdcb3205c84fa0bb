"""A store that was made before the workers were forked."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from qwen_rerank import RerankResult, SqliteStore
from qwen_rerank.feedback import FeedbackStore
from qwen_rerank.types import DocumentScore
from tests.remote.test_forks import held, in_a_child, start_child

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
RESULTS = [RerankResult(0, 0.9), RerankResult(1, 0.1)]
SCORE = {b"a" * 16: DocumentScore(0.25)}


def judge(store: FeedbackStore) -> bool:
    """Whether it was kept."""
    one = store.record_ranking("q", ["a", "b"], RESULTS)
    store.record_feedback(one, relevant=[0])
    return store.lost == 0


@pytest.fixture
def store(tmp_path: Path) -> FeedbackStore:
    return FeedbackStore(tmp_path / "feedback.db")


def test_what_a_worker_writes_outlives_the_parents_close(store: FeedbackStore) -> None:
    judge(store)
    parent, child = os.pipe(), os.pipe()

    def work() -> bool:
        judge(store)
        os.write(child[1], b"1")
        os.read(parent[0], 1)  # the parent has closed its file
        return judge(store)

    worker = start_child(work)
    os.close(child[1])  # so that the end of a worker that fails is heard of
    os.read(child[0], 1)
    store.close()
    os.write(parent[1], b"1")
    assert held(worker)
    assert FeedbackStore(store.path).totals().judged == 3


def test_a_call_of_another_thread_does_not_hang_the_worker(store: FeedbackStore) -> None:
    judge(store)
    inside = threading.Event()

    def write() -> None:
        with store._database.writing():
            inside.set()
            time.sleep(0.3)

    thread = threading.Thread(target=write)
    thread.start()
    assert inside.wait(20)
    assert in_a_child(lambda: judge(store))
    thread.join()
    judge(store)
    assert store.totals().judged == 3


def test_no_open_file_is_inherited_by_a_caches_child(tmp_path: Path) -> None:
    cache = SqliteStore(tmp_path / "scores.sqlite3")
    cache.put(SCORE)
    assert in_a_child(lambda: not cache._open and cache.get(list(SCORE)) == SCORE)
    assert cache.get(list(SCORE)) == SCORE
