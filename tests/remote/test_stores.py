"""Caches that outlive a process: they forget in time, keep no text, and may fail."""

from __future__ import annotations

import pickle
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import fakeredis
import pytest
import redis

from qwen_rerank import CachedScorer, DocumentScore, MissingDependencyError, RedisStore
from qwen_rerank.testing import FakeScorer

Make = Callable[..., RedisStore]
FOUND = {b"a" * 16: DocumentScore(0.25), b"b" * 16: DocumentScore(1 / 3, truncated=True)}


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes stores that share one Redis, as two processes would."""
    server = fakeredis.FakeServer()
    monkeypatch.setattr("redis.Redis.from_url", lambda *_, **__: fakeredis.FakeRedis(server=server))
    return lambda **options: RedisStore("redis://localhost", **options)


def test_another_store_in_the_same_place_knows_the_scores(make: Make) -> None:
    make().put(FOUND)
    again = make()
    assert again.get([*FOUND, b"c" * 16]) == FOUND
    assert pickle.loads(pickle.dumps(again)) == again
    many = {number.to_bytes(16, "big"): DocumentScore(0.5) for number in range(1300)}
    again.put(many)
    assert again.get(list(many)) == many


def test_scores_are_forgotten(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make(ttl=60)
    store.put(FOUND)
    assert store.get(list(FOUND)) == FOUND
    monkeypatch.setattr("time.time", lambda now=time.time: now() + 61)
    assert store.get(list(FOUND)) == {}


def test_threads_may_share_it(make: Make) -> None:
    scorer = CachedScorer(FakeScorer(), make(), identity="fake")
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(scorer.score, "a", [f"a {n % 10}"]) for n in range(100)]
        assert [call.result() for call in calls] == [[1.0]] * 100


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


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> Any:
        return None

    monkeypatch.setattr("qwen_rerank.stores.find_spec", nothing)
    with pytest.raises(MissingDependencyError, match=r"qwen-rerank\[redis\]"):
        RedisStore("redis://localhost")


MANY = {number.to_bytes(16, "big"): DocumentScore(0.5) for number in range(5000)}


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
