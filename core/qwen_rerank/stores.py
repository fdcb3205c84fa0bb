"""Caches that outlive a process. One that fails is as good as an empty one."""

from __future__ import annotations

import logging
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, TypeVar

from qwen_rerank.errors import ConfigError, MissingDependencyError
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
_KEYS_AT_ONCE = 500
"""Keys in one command, so that each stays within its timeout."""


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

    Of an error only the type is logged: its message may hold a password.
    """
    if not breaker.admit():
        yield False
        return
    start = time.monotonic()
    try:
        yield True
    except Exception as error:  # whatever a client raises, a cache is no reason to fail
        _leave_alone(breaker, name, type(error).__name__)
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
