"""Remembers scores, pair by pair."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from cachetools import TTLCache

from qwen_rerank.answers import check_scores
from qwen_rerank.types import Scorer, Scores

HOUR = 3600.0
MOST_PAIRS = 100_000
"""About 40 MB; the least recently remembered go first."""


@dataclass(frozen=True, slots=True)
class CachedScore:
    """What is remembered of one pair."""

    score: float
    truncated: bool = False


class ScoreStore(Protocol):
    """Where scores are kept. Thread-safe; may forget what it likes."""

    def get(self, keys: Sequence[bytes]) -> dict[bytes, CachedScore]:
        """What is known of these keys."""
        ...

    def put(self, found: Mapping[bytes, CachedScore]) -> None:
        """Remember these."""
        ...


@dataclass(frozen=True)
class MemoryStore:
    """Scores in this process.

    Args:
        ttl: Seconds until a score is forgotten.
        size: The most pairs to keep.
    """

    ttl: float = HOUR
    size: int = MOST_PAIRS
    _lock: threading.Lock = field(
        default_factory=threading.Lock, init=False, repr=False, compare=False
    )
    _scores: TTLCache[bytes, CachedScore] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_scores", TTLCache(self.size, self.ttl, timer=time.monotonic))

    def get(self, keys: Sequence[bytes]) -> dict[bytes, CachedScore]:
        """See `ScoreStore`."""
        with self._lock:
            known = ((key, self._scores.get(key)) for key in keys)
            return {key: score for key, score in known if score is not None}

    def put(self, found: Mapping[bytes, CachedScore]) -> None:
        """See `ScoreStore`."""
        with self._lock:
            self._scores.update(found)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.ttl, self.size)


@dataclass(frozen=True)
class CachedScorer:
    """A scorer that is asked only for pairs that it has not scored lately.

    Scores of bf16 models move by about 1e-3 with the batch that a pair is scored in, so that
    a list of remembered and new scores may order near ties in another way.

    Concurrent calls that lack the same pairs of one query wait for one answer. Failures are
    not remembered, and neither are scores that came from a fallback.

    Args:
        scorer: Gives the scores.
        store: Where scores are kept; in this process and for an hour if nothing is said.
        identity: Tells this scorer's scores from any other's: the model, its revision or
            folder, prompt, `max_length`, number format or server. Without it the scorer's
            `repr` is taken, which says all of this for the scorers of this package.
    """

    scorer: Scorer
    store: ScoreStore = field(default_factory=MemoryStore)
    identity: str | None = None
    _lock: threading.Lock = field(
        default_factory=threading.Lock, init=False, repr=False, compare=False
    )
    _asked: dict[bytes, Future[Scores]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def score(
        self, query: str, documents: Sequence[str], *, instruction: str | None = None
    ) -> Scores:
        """P("yes") for each document, in the order they came; see `Scorer.score`."""
        identity = repr(self.scorer) if self.identity is None else self.identity
        keys = [pair_key(identity, instruction, query, text) for text in documents]
        found = self.store.get(keys)
        new = {key: text for key, text in zip(keys, documents, strict=True) if key not in found}
        if not new:
            return _scores([found[key] for key in keys])
        answer = self._ask_once(query, new, instruction)
        fresh = _remembered(list(new), answer)
        if answer.fallback is None:
            self.store.put(fresh)
        elif found:  # scores of two models never mix in one answer
            return self._plain(query, documents, instruction)
        return _scores([(found | fresh)[key] for key in keys], answer.fallback)

    def _ask_once(self, query: str, new: Mapping[bytes, str], instruction: str | None) -> Scores:
        """Score the new pairs, or wait for the call that is already scoring just these."""
        asked = hashlib.blake2b(b"".join(new), digest_size=16).digest()
        with self._lock:
            running = self._asked.get(asked)
            mine: Future[Scores] = Future()
            if running is None:
                self._asked[asked] = mine
        if running is not None:
            return running.result()
        try:
            mine.set_result(self._plain(query, list(new.values()), instruction))
        except BaseException as error:  # whoever waits must learn of it too
            mine.set_exception(error)
        finally:
            with self._lock:
                del self._asked[asked]
        return mine.result()

    def _plain(self, query: str, documents: Sequence[str], instruction: str | None) -> Scores:
        answer = self.scorer.score(query, documents, instruction=instruction)
        check_scores(answer, documents)
        return answer if isinstance(answer, Scores) else Scores(answer)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.scorer, self.store, self.identity)


def pair_key(identity: str, instruction: str | None, query: str, document: str) -> bytes:
    """16 bytes that only an equal pair under equal conditions has.

    Each part is hashed with its length before it, so that ("a", "bc") is not ("ab", "c").
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in (identity, instruction or "", query, document):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.digest()


def _remembered(keys: Sequence[bytes], answer: Scores) -> dict[bytes, CachedScore]:
    pairs = zip(keys, answer, strict=True)
    return {
        key: CachedScore(score, place in answer.truncated)
        for place, (key, score) in enumerate(pairs)
    }


def _scores(found: Sequence[CachedScore], fallback: str | None = None) -> Scores:
    cut = [place for place, one in enumerate(found) if one.truncated]
    return Scores([one.score for one in found], truncated=cut, fallback=fallback)
