"""Stores of scores: they forget in time, keep no text, and may fail."""

from __future__ import annotations

import pickle
import socket
import struct
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import fakeredis
import pytest
import redis

from qwen_rerank import (
    CachedScorer,
    ConfigError,
    DocumentScore,
    FallbackScorer,
    LocalScorer,
    MissingDependencyError,
    RedisStore,
    RemoteScorer,
    load,
)
from qwen_rerank.scorers.breaker import REST_SECONDS
from qwen_rerank.testing import FakeScorer
from tests.scorers.batches import cached

Make = Callable[..., RedisStore]
SCORES = {b"a" * 16: DocumentScore(0.25), b"b" * 16: DocumentScore(1 / 3, None, True, 7)}
MANY = {number.to_bytes(16, "big"): DocumentScore(0.5) for number in range(2500)}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> fakeredis.FakeRedis:
    """The Redis that all stores use, as if they were in several processes."""
    client = fakeredis.FakeRedis()
    monkeypatch.setattr("redis.Redis.from_url", lambda *_, **__: client)
    # a machine under load must not make the fake Redis a slow one
    monkeypatch.setattr("qwen_rerank.scorers.redis_store.SLOW_SECONDS", 60.0)
    return client


@pytest.fixture
def store(client: fakeredis.FakeRedis) -> RedisStore:
    return RedisStore("redis://localhost")


def test_another_store_of_the_same_redis_knows_the_scores(store: RedisStore) -> None:
    RedisStore("redis://localhost").put(SCORES)
    assert store.get([*SCORES, b"c" * 16]) == SCORES
    assert pickle.loads(pickle.dumps(store)) == store
    assert RedisStore("redis://localhost", prefix="other").get(list(SCORES)) == {}


def test_scores_are_forgotten(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RedisStore("redis://localhost", ttl=60)
    store.put(SCORES)
    assert store.get(list(SCORES)) == SCORES
    monkeypatch.setattr("time.time", lambda now=time.time: now() + 61)
    assert store.get(list(SCORES)) == {}


def test_a_tiny_ttl_is_no_failure(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    RedisStore("redis://localhost", ttl=0.0001).put(SCORES)
    assert caplog.records == []


def test_threads_may_share_a_store(store: RedisStore) -> None:
    scorer = cached(FakeScorer(), store=store)
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(scorer.score, "a", [f"a {n % 10}"]) for n in range(100)]
        assert [call.result() for call in calls] == [[1.0]] * 100


def test_no_text_is_stored(store: RedisStore, client: fakeredis.FakeRedis) -> None:
    cached(FakeScorer(), store=store).score("a hushed query", ["a hushed document"])
    [name] = client.keys()
    assert "hushed" not in f"{name!r} {client.get(name)!r}"


@pytest.mark.parametrize("value", [b"", b"0.5", struct.pack("<d?", 7.0, 0), b"\xff" * 9])
def test_a_value_that_is_not_a_score_counts_as_unknown(
    store: RedisStore, client: fakeredis.FakeRedis, value: bytes
) -> None:
    fake = FakeScorer()
    scorer = cached(fake, store=store)
    scorer.score("a", ["a"])
    [name] = client.keys()
    client.set(name, value)
    assert scorer.score("a", ["a"]) == [1]
    assert len(fake.calls) == 2


@pytest.mark.parametrize("listening", [True, False])
def test_a_redis_that_hangs_or_is_gone_is_not_used_for_ten_seconds(
    listening: bool, later: Callable[[float], None], caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if not listening:
            server.close()
        scorer = cached(FakeScorer(), store=RedisStore(f"redis://:hush@127.0.0.1:{port}"))
        for _ in range(20):
            assert scorer.score("a", ["a"]) == [1]
        assert len(caplog.records) == 1, "one attempt, or there would be more log lines"
        if listening:
            later(REST_SECONDS)
            server.setblocking(False)
            _accept_all(server)
            assert scorer.score("a", ["a"]) == [1]
            assert _accept_all(server) == 1, "it is tried again"
        assert "hush" not in repr(scorer) + caplog.text


def _accept_all(server: socket.socket) -> int:
    """How many connections were waiting."""
    count = 0
    with suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
            count += 1
    return count


def test_a_slow_redis_is_not_used(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put(SCORES)
    monkeypatch.setattr("qwen_rerank.scorers.redis_store.SLOW_SECONDS", 0.0)
    assert store.get(list(SCORES)) == SCORES
    assert store.get(list(SCORES)) == {}


@pytest.mark.parametrize("wrong", [ValueError("no number"), KeyboardInterrupt()])
def test_a_redis_client_that_raises_anything_is_tried_again(
    client: fakeredis.FakeRedis,
    store: RedisStore,
    monkeypatch: pytest.MonkeyPatch,
    later: Callable[[float], None],
    wrong: BaseException,
) -> None:
    store.put(SCORES)
    with monkeypatch.context() as broken:
        for error in (redis.ConnectionError("gone"), wrong):  # the second one after the pause
            broken.setattr(client, "mget", _raising(error))
            with suppress(KeyboardInterrupt):
                assert store.get(list(SCORES)) == {}
                assert not isinstance(error, KeyboardInterrupt)
            later(REST_SECONDS)
    assert store.get(list(SCORES)) == SCORES


def _raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail


def test_many_scores_go_in_several_commands(
    client: fakeredis.FakeRedis, store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has its own timeout, and other clients get their turn."""
    sizes = []

    def counted(names: Sequence[bytes]) -> Any:
        sizes.append(len(names))
        return fakeredis.FakeRedis.mget(client, names)

    monkeypatch.setattr(client, "mget", counted)
    store.put(MANY)
    assert store.get(list(MANY)) == MANY
    assert max(sizes) <= 1000


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_rerank.extras.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"\.\[redis\]"):
        RedisStore("redis://localhost")


@pytest.mark.parametrize("url", ["redis://:to/ps@ecret@host:6379/0", "redis://host:port"])
def test_a_wrong_url_is_refused_and_not_shown(url: str) -> None:
    for make in (RedisStore, lambda url: load(cache_url=url)):
        with pytest.raises(ConfigError, match="Redis URL such as") as caught:
            make(url)
        assert "ecret" not in str(caught.value)
        assert caught.value.__context__ is None, "the client's error quotes the URL"


def test_a_setting_puts_the_scores_into_redis(client: Any) -> None:
    both = load(base_url="http://a", fallback="builtin", cache_url="redis://h", cache_ttl=60).scorer
    remote, local = RemoteScorer("http://a"), LocalScorer("builtin")
    store = RedisStore("redis://h", 60)
    assert both == FallbackScorer(CachedScorer(remote, store), CachedScorer(local, store))
    assert not isinstance(load(cache_url="redis://h", cache_ttl=0).scorer, CachedScorer)
