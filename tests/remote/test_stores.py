"""Caches that outlive a process: they forget in time, keep no text, and may fail."""

from __future__ import annotations

import pickle
import socket
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import fakeredis
import pytest
import redis

from qwen_rerank import CachedScorer, MissingDependencyError, RedisStore, SqliteStore
from qwen_rerank.pairs import CachedScore
from qwen_rerank.testing import FakeScorer
from tests.remote.test_forks import in_a_child

Store = SqliteStore | RedisStore
FOUND = {b"a" * 16: CachedScore(0.25), b"b" * 16: CachedScore(1 / 3, truncated=True)}


@pytest.fixture(params=["sqlite", "redis"])
def make(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Store]:
    """Stores that share one place, as two processes would."""
    if request.param == "sqlite":
        return lambda **options: SqliteStore(tmp_path / "scores.sqlite3", **options)
    server = fakeredis.FakeServer()
    monkeypatch.setattr("redis.Redis.from_url", lambda *_, **__: fakeredis.FakeRedis(server=server))
    return lambda **options: RedisStore("redis://localhost", **options)


def test_another_store_in_the_same_place_knows_the_scores(make: Callable[..., Store]) -> None:
    make().put(FOUND)
    again = make()
    assert again.get([*FOUND, b"c" * 16]) == FOUND
    assert pickle.loads(pickle.dumps(again)) == again
    many = {number.to_bytes(16, "big"): CachedScore(0.5) for number in range(1300)}
    again.put(many)
    assert again.get(list(many)) == many


def test_scores_are_forgotten(make: Callable[..., Store], monkeypatch: pytest.MonkeyPatch) -> None:
    store = make(ttl=60)
    store.put(FOUND)
    assert store.get(list(FOUND)) == FOUND
    monkeypatch.setattr("time.time", lambda now=time.time: now() + 61)
    assert store.get(list(FOUND)) == {}


def test_threads_may_share_it(make: Callable[..., Store]) -> None:
    scorer = CachedScorer(FakeScorer(), make(), identity="fake")
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(scorer.score, "a", [f"a {n % 10}"]) for n in range(100)]
        assert [call.result() for call in calls] == [[1.0]] * 100


def test_no_text_is_kept(tmp_path: Path) -> None:
    scorer = CachedScorer(FakeScorer(), SqliteStore(tmp_path / "scores.sqlite3"), "fake")
    scorer.score("a hushed query", ["a hushed document"])
    assert b"hushed" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_a_file_that_can_not_be_used_fails_open(tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(b"no database at all, " * 100)
    for path in (tmp_path / "broken", tmp_path / "no folder" / "file"):
        scorer = CachedScorer(FakeScorer(), SqliteStore(path), "fake")
        assert scorer.score("a", ["a"]) == [1]


@pytest.mark.parametrize("listening", [True, False])
def test_a_redis_that_hangs_or_is_gone_fails_open_and_is_left_alone(listening: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if not listening:
            server.close()
        store = RedisStore(f"redis://:hush@127.0.0.1:{port}")
        scorer = CachedScorer(FakeScorer(), store, "fake")
        start = time.monotonic()
        assert scorer.score("a", ["a"]) == [1]
        assert time.monotonic() - start < 2
        start = time.monotonic()
        for _ in range(100):
            assert scorer.score("a", ["a"]) == [1]
        assert time.monotonic() - start < 1
        assert "hush" not in repr(scorer)


def test_a_file_that_another_process_writes_to_holds_nobody_up(tmp_path: Path) -> None:
    """One call waits for a moment, then the file is left alone."""
    store = SqliteStore(tmp_path / "scores.sqlite3")
    store.put(FOUND)
    with closing(sqlite3.connect(store.path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        store.put({b"c" * 16: CachedScore(0.5)})
        other.rollback()
    [[milliseconds]] = store._connection().execute("PRAGMA busy_timeout")
    assert milliseconds <= 50
    assert store.get(list(FOUND)) == {}, "it is left alone for a while"


def test_a_file_is_used_again_after_its_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwen_rerank.scorers.breaker.REST_SECONDS", 0.1)
    store = SqliteStore(tmp_path / "scores.sqlite3")
    store.put(FOUND)
    with closing(sqlite3.connect(store.path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        store.put({b"c" * 16: CachedScore(0.5)})
        other.rollback()
    time.sleep(0.15)
    assert store.get(list(FOUND)) == FOUND
    assert store.get([b"c" * 16]) == {}


def test_a_slow_file_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(tmp_path / "scores.sqlite3")
    store.put(FOUND)
    monkeypatch.setattr("qwen_rerank.stores.SLOW", 0.0)
    assert store.get(list(FOUND)) == FOUND
    assert store.get(list(FOUND)) == {}


def test_a_thread_that_is_stuck_in_the_file_holds_no_other_up(tmp_path: Path) -> None:
    fake = FakeScorer()
    store = SqliteStore(tmp_path / "scores.sqlite3")
    scorer = CachedScorer(fake, store, "fake")
    scorer.score("a", ["a"])
    with ThreadPoolExecutor(1) as pool, store._lock:
        assert pool.submit(scorer.score, "a", ["a"]).result(20) == [1]
    assert scorer.score("a", ["a"]) == [1]
    assert len(fake.calls) == 2, "once busy, which is a miss, and then it is used again"


def test_expired_scores_go_bit_by_bit(tmp_path: Path) -> None:
    """Deleting very many at once would hold a rerank up."""
    store = SqliteStore(tmp_path / "scores.sqlite3", ttl=0.01)
    store.put({number.to_bytes(16, "big"): CachedScore(0.5) for number in range(2500)})
    time.sleep(0.05)
    with closing(sqlite3.connect(store.path)) as other:
        left = []
        for _ in range(4):
            store.put(FOUND)
            time.sleep(0.05)
            left.append(other.execute("SELECT count(*) FROM scores").fetchone()[0])
    assert left == [1502, 502, 2, 2]


@pytest.mark.parametrize("wrong", [ValueError("no number"), KeyboardInterrupt()])
def test_a_redis_client_that_fails_in_any_way_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, wrong: BaseException
) -> None:
    monkeypatch.setattr("qwen_rerank.scorers.breaker.REST_SECONDS", 0.1)
    client = fakeredis.FakeRedis()
    monkeypatch.setattr("redis.Redis.from_url", lambda *_, **__: client)
    store = RedisStore("redis://localhost")
    store.put(FOUND)
    with monkeypatch.context() as broken:
        for kind in (redis.ConnectionError("gone"), wrong):  # at the probe, after an outage
            broken.setattr(client, "mget", _raising(kind))
            with suppress(KeyboardInterrupt, ValueError):
                assert store.get(list(FOUND)) == {}
                assert not isinstance(kind, KeyboardInterrupt)
            time.sleep(0.15)
    assert store.get(list(FOUND)) == FOUND


def _raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail


def test_a_forked_process_opens_the_file_anew(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "scores.sqlite3")
    store.put(FOUND)
    assert in_a_child(lambda: store.get(list(FOUND)) == FOUND)


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> Any:
        return None

    monkeypatch.setattr("qwen_rerank.stores.find_spec", nothing)
    with pytest.raises(MissingDependencyError, match=r"qwen-rerank\[redis\]"):
        RedisStore("redis://localhost")


MANY = {number.to_bytes(16, "big"): CachedScore(0.5) for number in range(5000)}


def test_many_pairs_make_no_slow_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They go in parts, each with the time that a call has."""
    now = [time.monotonic()]

    class Slow(sqlite3.Connection):
        def execute(self, *arguments: Any) -> sqlite3.Cursor:
            now[0] += 0.3
            return super().execute(*arguments)

    connect = partial(sqlite3.connect, factory=Slow)
    monkeypatch.setattr("qwen_rerank.stores.sqlite3.connect", connect)
    monkeypatch.setattr("qwen_rerank.stores.SLOW", 2.0)  # which opening the file takes too
    store = SqliteStore(tmp_path / "scores.sqlite3")
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    store.put(MANY)
    for _ in range(2):
        assert store.get(list(MANY)) == MANY


def test_redis_is_asked_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has 50 ms for each, and other callers come between."""
    client, sizes = fakeredis.FakeRedis(), []

    def counted(names: Sequence[bytes]) -> Any:
        sizes.append(len(names))
        return fakeredis.FakeRedis.mget(client, names)

    monkeypatch.setattr(client, "mget", counted)
    monkeypatch.setattr("redis.Redis.from_url", lambda *_, **__: client)
    store = RedisStore("redis://localhost")
    store.put(MANY)
    assert store.get(list(MANY)) == MANY
    assert max(sizes) <= 1000
