"""Feedback over HTTP: ids, what is refused, what the metrics say, what a dead server keeps."""

from __future__ import annotations

import gc
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from pydantic import SecretStr

from qwen_rerank import ConfigError
from qwen_rerank.cli.main import main
from qwen_rerank.errors import FeedbackError
from qwen_rerank.feedback import FeedbackStore
from qwen_rerank.server import recorder
from qwen_rerank.server.metrics import Metrics
from qwen_rerank.server.service import Service
from qwen_rerank.server.settings import ServerSettings
from tests.server.running import ManyFake, Running, serving, wait_until
from tests.server.test_bad_input import said
from tests.server.test_stop import process

DOCUMENTS = ["x y", "noise", "noise too", "a", "a b", "a b c"]
BODY = {"query": "a b c", "documents": DOCUMENTS}
"""Reranked: 5, 4, 3, 0, 1, 2."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "feedback.db"


@pytest.fixture
def server(file: Path) -> Iterator[Running]:
    with serving(scorer=ManyFake(), feedback=str(file)) as running:
        yield running


def reranked(server: Running) -> str:
    return str(server.post(BODY).json()["id"])


def metrics(url: str) -> dict[str, float]:
    """The feedback's figures by name and label, as Prometheus reads them."""
    text = requests.get(url + "/metrics", timeout=30).text
    lines = [line.rpartition(" ") for line in text.splitlines()]
    cut = len("rerank_feedback_")
    return {n[cut:]: float(v) for n, _, v in lines if n.startswith("rerank_feedback_")}


def test_every_rerank_has_an_id(server: Running) -> None:
    own = server.post(BODY)
    assert own.headers["X-Rerank-Id"] == own.json()["id"]
    texts = server.post({"query": "q", "texts": ["d"]})
    assert isinstance(texts.json(), list)
    others = [server.post(BODY, path) for path in ("/v1/rerank", "/v2/rerank")]
    for reply in others:
        assert reply.headers["X-Rerank-Id"] == reply.json()["id"]
    ids = {reply.headers["X-Rerank-Id"] for reply in (own, texts, *others)}
    assert len(ids) == 4
    for one in ids:
        assert server.post({"id": one, "adopted": True}, "/feedback").status_code == 200


def test_ids_stand_even_where_no_feedback_is_kept() -> None:
    with serving(scorer=ManyFake()) as server:
        said(server.post({"id": reranked(server), "adopted": True}, "/feedback"), 404)
        assert metrics(server.url) == {}


def test_metrics_are_what_a_pencil_says(server: Running) -> None:
    for relevant, adopted in (([3], True), ([0, 5], False), ([1], None), (None, True)):
        body = {"id": reranked(server), "relevant": relevant, "adopted": adopted}
        reply = server.post(body, "/feedback")
        assert (reply.status_code, reply.json()) == (200, body)
    reranked(server)  # nobody said anything of it
    found = metrics(server.url)
    assert found["up"] == 1
    assert found["lost"] == 0
    assert found["judged"] == 3
    assert found['hits{order="reranked"}'] == 2
    assert found['hits{order="original"}'] == 2
    assert found['hit_rate{order="reranked"}'] == pytest.approx(2 / 3)
    assert found['answers{order="reranked"}'] == 3
    assert found['adopted{order="reranked"}'] == 2
    assert found['adoption_rate{order="reranked"}'] == pytest.approx(2 / 3)
    assert found['adoption_rate{order="original"}'] != found['adoption_rate{order="original"}']


def test_answers_without_reranking_are_counted_apart(server: Running) -> None:
    server.post({"id": reranked(server), "adopted": True}, "/feedback")
    for adopted in (True, False, False):
        body = {"reranked": False, "adopted": adopted}
        reply = server.post(body, "/feedback")
        assert (reply.status_code, reply.json()) == (200, body)
    found = metrics(server.url)
    assert found['adoption_rate{order="reranked"}'] == 1
    assert found['answers{order="original"}'] == 3
    assert found['adoption_rate{order="original"}'] == pytest.approx(1 / 3)
    assert found["judged"] == 0


def test_wrong_feedback(server: Running) -> None:
    one = reranked(server)
    said(server.post({"id": "nobody", "adopted": True}, "/feedback"), 404)
    wrong: list[Any] = [
        {"id": one},
        {"id": one, "relevant": None, "adopted": None},
        {"id": one, "relevant": [6]},
        {"id": one, "relevant": [-1]},
        {"id": one, "relevant": [True]},
        {"id": one, "relevant": 1},
        {"id": one, "adopted": "yes"},
        {"id": "", "adopted": True},
        {"id": "x" * 101, "adopted": True},
        {"id": 7, "adopted": True},
        {"adopted": True},
        {"reranked": False},
        {"reranked": False, "relevant": [0]},
        {"reranked": False, "adopted": True, "id": one},
        {"reranked": "no", "adopted": True},
        [],
    ]
    for body in wrong:
        said(server.post(body, "/feedback"), 422)
    said(requests.post(server.url + "/feedback", data="{}", timeout=30), 415)
    assert metrics(server.url)["judged"] == 0


def test_feedback_needs_the_key(file: Path) -> None:
    settings: dict[str, Any] = {"feedback": str(file), "server_api_key": SecretStr("horse")}
    with serving(scorer=ManyFake(), **settings) as server:
        key = {"Authorization": "Bearer horse"}
        one = server.post(BODY, headers=key).json()["id"]
        said(server.post({"id": one, "adopted": True}, "/feedback"), 401)
        said(server.post({"id": one, "adopted": True}, "/feedback/"), 401)
        assert server.post({"id": one, "adopted": True}, "/feedback", headers=key).ok


def test_feedback_has_the_limit_of_every_body(file: Path) -> None:
    with serving(scorer=ManyFake(), feedback=str(file), max_body=1000) as server:
        body = {"id": reranked(server), "relevant": [0] * 1000}
        said(server.post(body, "/feedback"), 413)


def test_no_text_is_kept_unless_asked(tmp_path: Path) -> None:
    for texts in (False, True):
        file = tmp_path / f"{texts}.db"
        with serving(scorer=ManyFake(), feedback=str(file), feedback_texts=texts) as server:
            server.post({"query": "secret words", "documents": ["hidden words"]})
        # the reply may have come first: only now it is there for sure
        written = b"".join(one.read_bytes() for one in tmp_path.glob(f"{texts}.db*"))
        assert (b"secret words" in written) is texts
        assert (b"hidden words" in written) is texts


def test_a_locked_file_delays_no_answer_for_long(server: Running, file: Path) -> None:
    reranked(server)
    with sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        replies = [server.post(BODY) for _ in range(3)]
        assert [reply.status_code for reply in replies] == [200, 200, 200]
        other.execute("ROLLBACK")
    for reply in replies:
        body = {"id": reply.json()["id"], "adopted": True}
        assert server.post(body, "/feedback").ok, "written once the file was free"


def test_feedback_that_waits_too_long_is_refused(
    server: Running, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rankings that wait for the same file are before it."""
    one = reranked(server)
    monkeypatch.setattr(recorder, "SECONDS_FOR_FEEDBACK", 0.5)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        reranked(server)
        said(server.post({"id": one, "adopted": True}, "/feedback"), 503)
        monkeypatch.setattr(recorder, "MOST_WAITING", 1)
        monkeypatch.setattr(recorder, "SECONDS_FOR_FEEDBACK", 60)
        said(server.post({"id": one, "adopted": True}, "/feedback"), 503)
        other.execute("ROLLBACK")


@pytest.mark.parametrize("texts", [True, False])
async def test_documents_wait_in_memory_only_where_they_are_kept(file: Path, texts: bool) -> None:
    class Text(str):
        """One that weak references can watch."""

    made = recorder.Recorder(FeedbackStore(file, texts=texts), Metrics())
    free = threading.Event()
    made.call(lambda: free.wait(30))
    document = Text("a document")
    watched = weakref.ref(document)
    await made.ranking("one", "q", [document], [], seconds=0.1, top_n=None)
    del document
    gc.collect()
    assert (watched() is not None) is texts
    free.set()
    await made.close()
    assert FeedbackStore(file).days()[0].statistics.requests == 1


async def test_what_a_slow_disk_holds_up_at_the_end_is_lost(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recorder, "SECONDS_TO_CLOSE", 0.2)
    store = FeedbackStore(file)
    made = recorder.Recorder(store, Metrics())
    free = threading.Event()
    made.call(lambda: free.wait(30))
    for name in ("one", "two"):
        await made.ranking(name, "q", ["d"], [], seconds=0.1, top_n=None)
    await made.close()
    await made.ranking("three", "q", ["d"], [], seconds=0.1, top_n=None)
    free.set()
    assert store.lost == 3
    assert "in time: 2" in caplog.text
    with pytest.raises(FeedbackError):
        await made.feedback("one", None, True)


def test_sigterm_leaves_one_whole_file(tiny_model: Path, file: Path) -> None:
    """Somebody may copy the file alone."""
    command = ["--model", str(tiny_model), "--device", "cpu", "--no-ui", "--feedback", str(file)]
    with process(*command) as (server, url):
        one = post(url, "/rerank", BODY).json()["id"]
        assert post(url, "/feedback", {"id": one, "adopted": True}).ok
        server.terminate()
        server.wait(30)
    assert [path.name for path in file.parent.glob("feedback.db*")] == ["feedback.db"]
    assert FeedbackStore(file).totals().adopted == 1


def test_a_broken_file_breaks_nothing_but_feedback(file: Path) -> None:
    file.write_text("this is no database, and long enough to tell" * 100)
    with serving(scorer=ManyFake(), feedback=str(file)) as server:
        one = reranked(server)
        said(server.post({"id": one, "adopted": True}, "/feedback"), 503)
        assert requests.get(server.url + "/ready", timeout=30).ok
        assert (metrics(server.url)["up"], metrics(server.url)["lost"]) == (0, 1)


def test_a_folder_that_is_not_there_shows_at_the_start(tmp_path: Path) -> None:
    for wrong in (tmp_path / "no" / "feedback.db", tmp_path):
        with pytest.raises(ConfigError, match="feedback must name a file"):
            Service(ServerSettings(scorer=ManyFake(), feedback=str(wrong)))


def test_feedback_survives_kill_9_of_the_server(tiny_model: Path, file: Path) -> None:
    command = ["--model", str(tiny_model), "--device", "cpu", "--no-ui", "--feedback", str(file)]
    with process(*command) as (first, url):
        ids = [post(url, "/rerank", BODY).json()["id"] for _ in range(2)]
        assert post(url, "/feedback", {"id": ids[0], "relevant": [0, 1, 2]}).ok
        first.kill()  # SIGKILL: between the first feedback and the second
        first.wait()
    with process(*command) as (_, url):
        assert metrics(url)["judged"] == 1
        assert post(url, "/feedback", {"id": ids[1], "relevant": []}).ok
        assert metrics(url)["judged"] == 2


def test_two_servers_and_a_pipeline_share_a_file(
    tiny_model: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a balancer, feedback may come to the other server."""
    monkeypatch.setattr("qwen_rerank.feedback.writer.RANKING_TIMEOUT", 20.0)
    command = ["--model", str(tiny_model), "--device", "cpu", "--no-ui", "--feedback", str(file)]
    with process(*command) as (_, one), process(*command) as (_, other):
        store = FeedbackStore(file)
        for _ in range(5):
            for asked, told in ((one, other), (other, one)):
                adopt(told, post(asked, "/rerank", BODY).json()["id"])
            store.record_feedback(store.record_ranking("q", ["d"]), adopted=False)
        for url in (one, other):
            found = metrics(url)
            assert found['answers{order="reranked"}'] == 10
            assert found['adoption_rate{order="reranked"}'] == 1
            assert found['adoption_rate{order="original"}'] == 0


def adopt(url: str, name: str) -> None:
    """Of a ranking that another server may write a moment after its reply."""
    wait_until(lambda: post(url, "/feedback", {"id": name, "adopted": True}).ok)


def test_an_export_of_a_server_is_a_dataset(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(scorer=ManyFake(), feedback=str(file), feedback_texts=True) as server:
        for relevant in ([5], []):
            server.post({"id": reranked(server), "relevant": relevant}, "/feedback")
    out = tmp_path / "cases.jsonl"
    assert main(["feedback", "export", str(file), "--output", str(out)]) == 0
    command = ["eval", str(out), "--model", "builtin", "--first-stage", "given"]
    assert main(command) == 0
    shown = capsys.readouterr()
    assert "cases.jsonl: 1 queries" in shown.out
    assert "queries left out, as no document is relevant to them: 1" in shown.err


def post(url: str, path: str, body: Any) -> requests.Response:
    return requests.post(url + path, json=body, timeout=30)
