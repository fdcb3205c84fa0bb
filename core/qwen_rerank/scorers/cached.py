"""Remembers scores, pair by pair."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Protocol

from cachetools import TTLCache

from qwen_rerank._threads import reset_after_fork
from qwen_rerank.fingerprint import check_fingerprint, fingerprint_of
from qwen_rerank.pairs import Pairs, pair_key
from qwen_rerank.scorers.single import as_batch_scorer
from qwen_rerank.single_flight import SingleFlight
from qwen_rerank.types import BatchScorer, DocumentScore, Outcome, RerankRequest, Scorer, Scores

HOUR = 3600.0
MOST_PAIRS = 100_000
"""About 40 MB; the least recently remembered go first."""


class ScoreStore(Protocol):
    """Where scores are kept. Thread-safe; may forget what it likes."""

    def get(self, keys: Sequence[bytes]) -> dict[bytes, DocumentScore]:
        """What is known of these keys."""
        ...

    def put(self, found: Mapping[bytes, DocumentScore]) -> None:
        """Remember these."""
        ...


@dataclass(frozen=True)
class MemoryStore:
    """Scores in this process; a forked child begins without any.

    Args:
        ttl: Seconds until a score is forgotten.
        size: The most pairs to keep.
    """

    ttl: float = HOUR
    size: int = MOST_PAIRS
    _lock: threading.Lock = field(init=False, repr=False, compare=False)
    _scores: TTLCache[bytes, DocumentScore] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._reset()
        reset_after_fork(self._reset)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, DocumentScore]:
        """See `ScoreStore`."""
        with self._lock:
            known = ((key, self._scores.get(key)) for key in keys)
            return {key: score for key, score in known if score is not None}

    def put(self, found: Mapping[bytes, DocumentScore]) -> None:
        """See `ScoreStore`."""
        with self._lock:
            self._scores.update(found)

    def _reset(self) -> None:
        """At the start, and in a forked child."""
        object.__setattr__(self, "_lock", threading.Lock())
        object.__setattr__(self, "_scores", TTLCache(self.size, self.ttl, timer=time.monotonic))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.ttl, self.size)


@dataclass(frozen=True)
class CachedScorer(BatchScorer):
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
            fingerprint is taken, which says all of this for the scorers of this package;
            only of a server's model nobody here knows the revision.

    Raises:
        ConfigError: Neither the scorer nor `identity` says whose scores these are.
    """

    scorer: Scorer
    store: ScoreStore = field(default_factory=MemoryStore)
    identity: str | None = None
    _batch_scorer: BatchScorer = field(init=False, repr=False, compare=False)
    _flights: SingleFlight[Outcome] = field(
        default_factory=SingleFlight, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if self.identity is None:
            check_fingerprint(self.scorer)
        object.__setattr__(self, "_batch_scorer", as_batch_scorer(self.scorer))

    def score_batch(self, requests: Sequence[RerankRequest]) -> list[Outcome]:
        """See `BatchScorer.score_batch`; what is not remembered is scored in one call."""
        many = self._known(requests)
        fresh = self._fresh(many)
        whole = self._whole(many, fresh)
        return [whole[i] if i in whole else pairs.outcome(fresh) for i, pairs in enumerate(many)]

    def fingerprint(self) -> str:
        """Tells the scores from any other's; see `Fingerprinted`."""
        return fingerprint_of(self.scorer) if self.identity is None else self.identity

    def _known(self, requests: Sequence[RerankRequest]) -> list[Pairs]:
        """The pairs of each request, with what the store knows of them."""
        if not any(request.documents for request in requests):
            return [Pairs(request, (), {}) for request in requests]
        identity = self.fingerprint()
        keys = [
            [pair_key(identity, r.instruction, r.query, d) for d in r.documents] for r in requests
        ]
        known = self.store.get(list(dict.fromkeys(chain.from_iterable(keys))))
        return [Pairs(r, k, known) for r, k in zip(requests, keys, strict=True)]

    def _fresh(self, many: Sequence[Pairs]) -> Mapping[bytes, Outcome]:
        """Outcomes for what is new, by `Pairs.name`."""
        wanted = {pairs.name: pairs for pairs in many if pairs.new}

        def score(names: Sequence[bytes]) -> list[Outcome]:
            missing = [wanted[name] for name in names]
            outcomes = self._batch_scorer.score_batch([pairs.missing for pairs in missing])
            self._remember(missing, outcomes)
            return outcomes

        return self._flights.answers(wanted, score)

    def _whole(self, many: Sequence[Pairs], fresh: Mapping[bytes, Outcome]) -> dict[int, Outcome]:
        """By place, new outcomes where a fallback's would stand beside remembered scores.

        Scores of two models never mix in one list.
        """
        mixed = [i for i, pairs in enumerate(many) if pairs.would_mix(fresh)]
        requests = [many[i].request for i in mixed]
        outcomes = self._batch_scorer.score_batch(requests) if requests else []
        return dict(zip(mixed, outcomes, strict=True))

    def _remember(self, many: Sequence[Pairs], outcomes: Sequence[Outcome]) -> None:
        found: dict[bytes, DocumentScore] = {}
        for pairs, outcome in zip(many, outcomes, strict=True):
            if isinstance(outcome, Scores) and outcome.fallback is None:
                found |= pairs.scored(outcome)
        if found:
            self.store.put(found)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.scorer, self.store, self.identity)
