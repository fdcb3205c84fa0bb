"""Caches that outlive a process. One that fails is as good as an empty one."""

from __future__ import annotations

import logging
import os
import sqlite3
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from qwen_rerank.cached import HOUR, CachedScore
from qwen_rerank.errors import MissingDependencyError
from qwen_rerank.remote.breaker import CircuitBreaker

logger = logging.getLogger(__name__)

_VALUE = struct.Struct("<d?")
_SELECT = "SELECT key, score, truncated FROM scores WHERE expires > ? AND key IN "
_KEYS_AT_ONCE = 500  # SQLite takes 999 parameters in its oldest builds


@dataclass(frozen=True)
class SqliteStore:
    """Scores in a file, for one machine: any number of processes and threads may share it.

    Keys are hashes, so that no text is stored.

    Args:
        path: Of the file; it is made if it is not there.
        ttl: Seconds until a score is forgotten.
    """

    path: str | Path
    ttl: float = HOUR
    _open: dict[int, sqlite3.Connection] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _lock: threading.Lock = field(
        default_factory=threading.Lock, init=False, repr=False, compare=False
    )

    def get(self, keys: Sequence[bytes]) -> dict[bytes, CachedScore]:
        """See `ScoreStore`."""
        found: dict[bytes, CachedScore] = {}
        with self._failing_open():
            for start in range(0, len(keys), _KEYS_AT_ONCE):
                part = keys[start : start + _KEYS_AT_ONCE]
                marks = ",".join("?" * len(part))
                query = _SELECT + f"({marks})"
                for key, score, cut in self._connection().execute(query, (time.time(), *part)):
                    found[key] = CachedScore(score, bool(cut))
        return found

    def put(self, found: Mapping[bytes, CachedScore]) -> None:
        """See `ScoreStore`; what has expired is deleted."""
        now = time.time()
        rows = [(key, one.score, one.truncated, now + self.ttl) for key, one in found.items()]
        with self._failing_open(), self._connection() as connection:
            connection.execute("DELETE FROM scores WHERE expires <= ?", (now,))
            connection.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?)", rows)

    @contextmanager
    def _failing_open(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                logger.warning("no scores are kept in %s: %s", self.path, error)

    def _connection(self) -> sqlite3.Connection:
        """One for each process, since none survives a fork."""
        if os.getpid() not in self._open:
            connection = sqlite3.connect(self.path, timeout=1, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS scores "
                "(key BLOB PRIMARY KEY, score REAL, truncated INTEGER, expires REAL) WITHOUT ROWID"
            )
            connection.execute("CREATE INDEX IF NOT EXISTS expiry ON scores (expires)")
            self._open[os.getpid()] = connection
        return self._open[os.getpid()]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.ttl)


@dataclass(frozen=True)
class RedisStore:
    """Scores in Redis, for a fleet. Keys are hashes, so that no text is stored.

    A Redis that fails or takes longer than 50 ms is left alone for 10 s.

    Args:
        url: Such as `"redis://localhost:6379/0"`.
        ttl: Seconds until a score is forgotten.
        prefix: Before every key; one of your own keeps tenants apart.
    """

    url: str = field(repr=False)  # may hold a password
    ttl: float = HOUR
    prefix: str = "qwen-rerank:1:"
    _breaker: CircuitBreaker = field(
        default_factory=CircuitBreaker, init=False, repr=False, compare=False
    )
    _client: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if find_spec("redis") is None:
            raise MissingDependencyError("redis", "redis")
        import redis

        client = redis.Redis.from_url(self.url, socket_timeout=0.05, socket_connect_timeout=0.05)
        object.__setattr__(self, "_client", client)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, CachedScore]:
        """See `ScoreStore`."""
        values: Sequence[bytes | None] = []
        with self._failing_open() as well:
            values = self._client.mget([self._name(key) for key in keys]) if well else []
        return {
            key: CachedScore(*_VALUE.unpack(value))
            for key, value in zip(keys, values, strict=False)  # no values at all if it failed
            if value is not None and len(value) == _VALUE.size
        }

    def put(self, found: Mapping[bytes, CachedScore]) -> None:
        """See `ScoreStore`."""
        with self._failing_open() as well:
            if not well:
                return
            pipeline = self._client.pipeline(transaction=False)
            for key, one in found.items():
                value = _VALUE.pack(one.score, one.truncated)
                pipeline.set(self._name(key), value, px=int(self.ttl * 1000))
            pipeline.execute()

    @contextmanager
    def _failing_open(self) -> Iterator[bool]:
        """Gives whether to ask at all."""
        import redis

        well = self._breaker.admit()
        try:
            yield well
        except (redis.RedisError, OSError) as error:
            if self._breaker.failed(at_once=True):
                logger.warning("Redis is left alone for a while: %s", type(error).__name__)
        else:
            if well:
                self._breaker.succeeded()

    def _name(self, key: bytes) -> bytes:
        return self.prefix.encode() + key

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.url, self.ttl, self.prefix)
