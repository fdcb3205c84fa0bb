"""A store that was created before its process was forked."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from qwen_rerank import RerankResult
from qwen_rerank.errors import FeedbackError
from qwen_rerank.feedback import FeedbackStore
from tests.remote.test_forks import held, in_a_child, start_child

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
RESULTS = [RerankResult(0, 0.9), RerankResult(1, 0.1)]


def judge(store: FeedbackStore) -> bool:
    """Store a ranking with feedback; whether that worked."""
    one = store.record_ranking("q", ["a", "b"], RESULTS)
    store.record_feedback(one, relevant=[0])
    return store.lost == 0


@pytest.fixture
def store(tmp_path: Path) -> FeedbackStore:
    return FeedbackStore(tmp_path / "feedback.db")


def test_a_child_and_its_parent_write_to_one_file(store: FeedbackStore) -> None:
    judge(store)
    parent, child = os.pipe(), os.pipe()

    def work() -> bool:
        judge(store)
        os.write(child[1], b"1")
        os.read(parent[0], 1)  # until the parent has closed the store
        return judge(store)

    worker = start_child(work)
    os.close(child[1])  # so that the read below ends if the child fails
    os.read(child[0], 1)
    store.close()
    os.write(parent[1], b"1")
    assert held(worker)
    assert FeedbackStore(store.path).totals().judged == 3


def test_a_child_refuses_a_file_that_was_open_at_the_fork(store: FeedbackStore) -> None:
    """SQLite can't be used there. The fork does not wait, and the parent loses nothing."""
    judge(store)
    inside, goes_on = threading.Event(), threading.Event()

    def write() -> None:
        with store.database.writing() as connection:
            inside.set()
            assert goes_on.wait(20)
            connection.execute("UPDATE rerankings SET adopted = 1")

    def refused() -> bool:
        with pytest.raises(FeedbackError, match="when this process was forked"):
            store.record_answer(adopted=True)
        store.record_ranking("q", ["a", "b"], RESULTS)
        other = FeedbackStore(store.path.with_name("other.db"))
        return store.lost == 1 and judge(other)

    thread = threading.Thread(target=write)
    thread.start()
    assert inside.wait(20)
    assert in_a_child(refused)
    assert thread.is_alive()
    goes_on.set()
    thread.join()
    assert in_a_child(lambda: judge(store)), "a later child may use the file"
    assert (store.totals().judged, store.totals().adopted) == (2, 1)
