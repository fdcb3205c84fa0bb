"""Remembers scores, pair by pair."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from cachetools import TTLCache

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


class MemoryStore:
    """Scores in this process.

    Args:
        ttl: Seconds until a score is forgotten.
        size: The most pairs to keep.
    """

    def __init__(self, ttl: float = HOUR, size: int = MOST_PAIRS) -> None:
        self.ttl, self.size = ttl, size
        self._lock = threading.Lock()
        self._scores: TTLCache[bytes, CachedScore] = TTLCache(size, ttl)

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


class CachedScorer:
    """A scorer that is asked only for pairs that it has not scored lately.

    Scores of bf16 models move by about 1e-3 with the batch that a pair is scored in, so that
    a list of remembered and new scores may order near ties in another way.

    Concurrent calls that lack the same pairs of one query wait for one answer. Failures are
    not remembered, and neither are scores that came from a fallback.

    Args:
        scorer: Gives the scores.
        identity: Tells this scorer's scores from any other's: the model, its revision or
            folder, prompt, `max_length`, number format or server. `None` takes the scorer's
            `repr`, which says all of this for the scorers of this package.
        store: Where scores are kept; `None` means in this process, for an hour.
    """

    def __init__(
        self, scorer: Scorer, identity: str | None = None, store: ScoreStore | None = None
    ) -> None:
        self.scorer = scorer
        self.identity = repr(scorer) if identity is None else identity
        self.store = MemoryStore() if store is None else store
        self._lock = threading.Lock()
        self._asked: dict[bytes, Future[Scores]] = {}

    def score(
        self, query: str, documents: Sequence[str], *, instruction: str | None = None
    ) -> Scores:
        """P("yes") for each document, in the order they came; see `Scorer.score`."""
        keys = [pair_key(self.identity, instruction, query, text) for text in documents]
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
        return answer if isinstance(answer, Scores) else Scores(answer)

    def __repr__(self) -> str:
        return f"CachedScorer({self.scorer!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.scorer, self.identity, self.store)


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
