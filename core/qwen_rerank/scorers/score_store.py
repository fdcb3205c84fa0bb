"""What keeps remembered scores, and the store in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from cachetools import TTLCache

from qwen_rerank._threads import run_now_and_after_fork
from qwen_rerank.types import DocumentScore

HOUR = 3600.0
MAX_PAIRS = 100_000
"""About 40 MB."""


class ScoreStore(Protocol):
    """Keeps scores under keys of 16 bytes. Thread-safe; may forget scores at any time."""

    def get(self, keys: Sequence[bytes]) -> dict[bytes, DocumentScore]:
        """The stored scores of these keys; a key without a score is left out."""
        ...

    def put(self, scores: Mapping[bytes, DocumentScore]) -> None:
        """Store scores."""
        ...


@dataclass(frozen=True)
class MemoryStore:
    """Scores in this process. A forked child starts without any.

    Args:
        ttl: Seconds until a score is forgotten.
        size: The most scores to keep; the least recently used are forgotten first.
    """

    ttl: float = HOUR
    size: int = MAX_PAIRS
    _lock: threading.Lock = field(init=False, repr=False, compare=False)
    _scores: TTLCache[bytes, DocumentScore] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        run_now_and_after_fork(self._reset)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, DocumentScore]:
        """See `ScoreStore`."""
        with self._lock:
            found = ((key, self._scores.get(key)) for key in keys)
            return {key: score for key, score in found if score is not None}

    def put(self, scores: Mapping[bytes, DocumentScore]) -> None:
        """See `ScoreStore`."""
        with self._lock:
            self._scores.update(scores)

    def _reset(self) -> None:
        """At the start, and in a forked child."""
        object.__setattr__(self, "_lock", threading.Lock())
        object.__setattr__(self, "_scores", TTLCache(self.size, self.ttl, timer=time.monotonic))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.ttl, self.size)
