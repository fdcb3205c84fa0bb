"""Caches that outlive a process. One that fails is as good as an empty one."""

from __future__ import annotations

import logging
import os
import sqlite3
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from qwen_rerank.errors import ConfigError, MissingDependencyError
from qwen_rerank.fork_lock import ForkLock
from qwen_rerank.scorers.breaker import CircuitBreaker
from qwen_rerank.scorers.cached import HOUR
from qwen_rerank.types import DocumentScore

logger = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE = 0.05
"""Seconds that a rerank waits for a cache which somebody else keeps busy."""
SLOW = 1.0
"""Seconds after which a cache that works is no help either."""

_VALUE = struct.Struct("<d?")
_SELECT = "SELECT key, score, truncated FROM scores WHERE expires > ? AND key IN "
_DELETE = "DELETE FROM scores WHERE key IN (SELECT key FROM scores WHERE expires <= ? LIMIT 1000)"
_INSERT = "INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?)"
_KEYS_AT_ONCE = 500
"""So that many take no longer than a store is given, and nobody else waits for long; SQLite
takes 999 parameters in its oldest builds."""


@dataclass(frozen=True)
class SqliteStore:
    """Scores in a file, for one machine: any number of processes and threads may share it.

    Keys are hashes, so that no text is stored. A file that fails, or that another process
    keeps locked for more than 50 ms, is left alone for 10 s; so is one that is slower than 1 s.

    Args:
        path: Of the file; it is made if it is not there.
        ttl: Seconds until a score is forgotten.
    """

    path: str | Path
    ttl: float = HOUR
    _open: dict[int, sqlite3.Connection] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _lock: ForkLock = field(init=False, repr=False, compare=False)
    _breaker: CircuitBreaker = field(
        default_factory=CircuitBreaker, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "_lock", ForkLock(settle=partial(close_own, self._open)))

    def get(self, keys: Sequence[bytes]) -> dict[bytes, DocumentScore]:
        """See `ScoreStore`."""
        found: dict[bytes, DocumentScore] = {}
        for part in _parts(keys):
            with self._failing_open() as well:
                if not well:
                    break
                query = _SELECT + f"({','.join('?' * len(part))})"
                for key, score, cut in self._connection().execute(query, (time.time(), *part)):
                    found[key] = DocumentScore(score, truncated=bool(cut))
        return found

    def put(self, found: Mapping[bytes, DocumentScore]) -> None:
        """See `ScoreStore`; what has expired is deleted, a part at a time."""
        now = time.time()
        for part in _parts(list(found.items())):
            rows = [(key, one.score, one.truncated, now + self.ttl) for key, one in part]
            with self._failing_open() as well:
                if not well:
                    break
                with self._connection() as connection:
                    connection.execute(_DELETE, (now,))
                    connection.executemany(_INSERT, rows)

    @contextmanager
    def _failing_open(self) -> Iterator[bool]:
        """Gives whether to ask at all: not while another thread is in the file for long."""
        if not self._lock.acquire(PATIENCE):
            yield False
            return
        try:
            with _failing_open(self._breaker, f"the cache {self.path}") as well:
                yield well
        finally:
            self._lock.release()

    def _connection(self) -> sqlite3.Connection:
        """One for each process: no fork may happen while it is open, and none survives one."""
        if os.getpid() not in self._open:
            connection = sqlite3.connect(self.path, timeout=PATIENCE, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")  # a crash may cost the last scores
            connection.execute(
                "CREATE TABLE IF NOT EXISTS scores "
                "(key BLOB PRIMARY KEY, score REAL, truncated INTEGER, expires REAL) WITHOUT ROWID"
            )
            connection.execute("CREATE INDEX IF NOT EXISTS expiry ON scores (expires)")
            self._open[os.getpid()] = connection
        return self._open[os.getpid()]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.ttl)


def close_own(connections: dict[int, sqlite3.Connection]) -> None:
    """Close this process's connection.

    SQLite's locks belong to the process: a child that inherited an open file would believe that
    it holds its parent's, and lose what it writes when the parent closes the file.
    """
    connection = connections.pop(os.getpid(), None)
    if connection is not None:
        connection.close()


@dataclass(frozen=True)
class RedisStore:
    """Scores in Redis, for a fleet. Keys are hashes, so that no text is stored.

    A Redis that fails, or sends nothing for 50 ms, is left alone for 10 s.

    Args:
        url: Such as `"redis://localhost:6379/0"`.
        ttl: Seconds until a score is forgotten.
        prefix: Before every key; one of your own keeps tenants apart.

    Raises:
        ConfigError: The URL is none; the message does not hold it.
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

        limits = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE}
        client = None
        with suppress(ValueError):  # which quotes parts of the URL
            client = redis.Redis.from_url(self.url, **limits)
        if client is None:
            raise ConfigError(
                "url must be one of Redis, such as 'redis://localhost:6379/0'; in a password, "
                "write / ? # @ and : as %2F %3F %23 %40 and %3A"
            )
        object.__setattr__(self, "_client", client)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, DocumentScore]:
        """See `ScoreStore`."""
        values: dict[bytes, bytes | None] = {}
        for part in _parts(keys):
            with _failing_open(self._breaker, "Redis") as well:
                if not well:
                    break
                answer = self._client.mget([self._name(key) for key in part])
                values |= zip(part, answer, strict=True)
        return {
            key: _unpacked(value)
            for key, value in values.items()
            if value is not None and len(value) == _VALUE.size
        }

    def put(self, found: Mapping[bytes, DocumentScore]) -> None:
        """See `ScoreStore`."""
        for part in _parts(list(found.items())):
            with _failing_open(self._breaker, "Redis") as well:
                if not well:
                    break
                pipeline = self._client.pipeline(transaction=False)
                for key, one in part:
                    value = _VALUE.pack(one.score, one.truncated)
                    pipeline.set(self._name(key), value, px=int(self.ttl * 1000))
                pipeline.execute()

    def _name(self, key: bytes) -> bytes:
        return self.prefix.encode() + key

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.url, self.ttl, self.prefix)


def _unpacked(value: bytes) -> DocumentScore:
    score, truncated = _VALUE.unpack(value)
    return DocumentScore(score, truncated=truncated)


def _parts(many: Sequence[T]) -> Iterator[Sequence[T]]:
    return (many[i : i + _KEYS_AT_ONCE] for i in range(0, len(many), _KEYS_AT_ONCE))


@contextmanager
def _failing_open(breaker: CircuitBreaker, name: str) -> Iterator[bool]:
    """Gives whether to ask a cache; one that fails is left alone for a while.

    Of errors that are not SQLite's only the kind is told: a network's may hold a password.
    """
    if not breaker.admit():
        yield False
        return
    start = time.monotonic()
    try:
        yield True
    except Exception as error:  # whatever a client raises, a cache is no reason to fail
        told = f": {error}" if isinstance(error, sqlite3.Error) else ""
        _leave_alone(breaker, name, type(error).__name__ + told)
    except BaseException:
        breaker.abandoned()
        raise
    else:
        if time.monotonic() - start > SLOW:
            _leave_alone(breaker, name, "too slow")
        else:
            breaker.succeeded()


def _leave_alone(breaker: CircuitBreaker, name: str, reason: str) -> None:
    if breaker.failed(at_once=True):
        logger.warning("%s is left alone for a while: %s", name, reason)
