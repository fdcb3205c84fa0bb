"""Keeps remembered scores in Redis, for many processes."""

from __future__ import annotations

import logging
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from qwen_rerank.errors import ConfigError
from qwen_rerank.extras import require_package
from qwen_rerank.scorers.breaker import REST_SECONDS, CircuitBreaker
from qwen_rerank.scorers.score_store import HOUR
from qwen_rerank.types import DocumentScore

logger = logging.getLogger(__name__)

T = TypeVar("T")

REDIS_TIMEOUT = 0.05
"""Seconds that a call waits for each reply of Redis."""
SLOW_SECONDS = 1.0
"""A Redis that takes longer for one command counts as failing: it would delay each rerank."""

_VALUE = struct.Struct("<d?i")
"""Score, truncated, tokens; -1 for a number of tokens that is not known."""
_KEYS_PER_COMMAND = 500


@dataclass(frozen=True)
class RedisStore:
    """Scores in Redis, for many processes. Redis gets hashes and numbers, no texts.

    A Redis that fails counts as an empty store: when it fails, sends nothing for 50 ms, or takes
    more than 1 s, it is not used for 10 s.

    Args:
        url: For example `"redis://localhost:6379/0"`. It may hold a password and is never shown.
        ttl: Seconds until a score is forgotten.
        prefix: Comes before each key; scores under different prefixes are not shared.

    Raises:
        ConfigError: The URL is not a valid Redis URL.
        MissingDependencyError: The package `redis` is not installed.
    """

    url: str = field(repr=False)
    ttl: float = HOUR
    prefix: str = "qwen-rerank:1:"
    _breaker: CircuitBreaker = field(
        default_factory=CircuitBreaker, init=False, repr=False, compare=False
    )
    _client: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_package("redis", "redis")
        import redis

        limits = {"socket_timeout": REDIS_TIMEOUT, "socket_connect_timeout": REDIS_TIMEOUT}
        client = None
        with suppress(ValueError):  # its message quotes the URL
            client = redis.Redis.from_url(self.url, **limits)
        if client is None:
            raise ConfigError(
                "the cache's URL must be a Redis URL such as 'redis://localhost:6379/0'; in a "
                "password, write / ? # @ and : as %2F %3F %23 %40 and %3A"
            )
        object.__setattr__(self, "_client", client)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, DocumentScore]:
        """See `ScoreStore`."""
        found = {}
        for part in _parts(keys):
            names = [self._name(key) for key in part]
            values = self._run(partial(self._client.mget, names)) or []
            for key, value in zip(part, values, strict=False):
                if value is not None and len(value) == _VALUE.size:
                    found[key] = _unpacked(value)
        return found

    def put(self, scores: Mapping[bytes, DocumentScore]) -> None:
        """See `ScoreStore`."""
        milliseconds = max(1, int(self.ttl * 1000))
        for part in _parts(list(scores.items())):
            pipeline = self._client.pipeline(transaction=False)
            for key, score in part:
                pipeline.set(self._name(key), _packed(score), px=milliseconds)
            self._run(pipeline.execute)

    def _name(self, key: bytes) -> bytes:
        return self.prefix.encode() + key

    def _run(self, command: Callable[[], list[Any]]) -> list[Any] | None:
        """The reply of Redis; `None` if it fails, or failed less than 10 s ago."""
        if not self._breaker.admit():
            return None
        start = time.monotonic()
        try:
            reply = command()
        except Exception as error:  # whatever the client raises, scoring goes on without a cache
            self._failed(type(error).__name__)  # the message may hold a password
            return None
        except BaseException:
            self._breaker.abandoned()
            raise
        if time.monotonic() - start > SLOW_SECONDS:
            self._failed("it is too slow")
        else:
            self._breaker.succeeded()
        return reply

    def _failed(self, reason: str) -> None:
        if self._breaker.failed(at_once=True):
            logger.warning("Redis is not used as a cache for %.0f s: %s", REST_SECONDS, reason)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.url, self.ttl, self.prefix)


def _packed(score: DocumentScore) -> bytes:
    return _VALUE.pack(score.score, score.truncated, -1 if score.tokens is None else score.tokens)


def _unpacked(value: bytes) -> DocumentScore:
    score, truncated, tokens = _VALUE.unpack(value)
    return DocumentScore(score, truncated=truncated, tokens=None if tokens < 0 else tokens)


def _parts(many: Sequence[T]) -> Iterator[Sequence[T]]:
    """Parts that each fit into one command, so that other clients get their turn."""
    return (many[i : i + _KEYS_PER_COMMAND] for i in range(0, len(many), _KEYS_PER_COMMAND))
