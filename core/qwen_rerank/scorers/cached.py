"""Remembers scores, pair by pair."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from cachetools import TTLCache

from qwen_rerank.answers import only_scores, typed
from qwen_rerank.asking import ask_many
from qwen_rerank.errors import ScorerError
from qwen_rerank.fingerprint import check_fingerprint, fingerprint_of
from qwen_rerank.fork_lock import ForkLock
from qwen_rerank.pairs import CachedScore, Pairs, pair_key
from qwen_rerank.progress import Progress
from qwen_rerank.single_flight import SingleFlight
from qwen_rerank.types import Answer, OnProgress, Scorer, Scores

HOUR = 3600.0
MOST_PAIRS = 100_000
"""About 40 MB; the least recently remembered go first."""


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
    """Scores in this process; a forked child begins without any.

    Args:
        ttl: Seconds until a score is forgotten.
        size: The most pairs to keep.
    """

    ttl: float = HOUR
    size: int = MOST_PAIRS
    _lock: ForkLock = field(init=False, repr=False, compare=False)
    _scores: TTLCache[bytes, CachedScore] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_lock", ForkLock(self._forget))
        self._forget()

    def get(self, keys: Sequence[bytes]) -> dict[bytes, CachedScore]:
        """See `ScoreStore`."""
        with self._lock:
            known = ((key, self._scores.get(key)) for key in keys)
            return {key: score for key, score in known if score is not None}

    def put(self, found: Mapping[bytes, CachedScore]) -> None:
        """See `ScoreStore`."""
        with self._lock:
            self._scores.update(found)

    def _forget(self) -> None:
        object.__setattr__(self, "_scores", TTLCache(self.size, self.ttl, timer=time.monotonic))

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
            fingerprint is taken, which says all of this for the scorers of this package;
            only of a server's model nobody here knows the revision.

    Raises:
        ConfigError: Neither the scorer nor `identity` says whose scores these are.
    """

    scorer: Scorer
    store: ScoreStore = field(default_factory=MemoryStore)
    identity: str | None = None
    _flights: SingleFlight[Answer] = field(
        default_factory=SingleFlight, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if self.identity is None:
            check_fingerprint(self.scorer)

    def score(
        self, query: str, documents: Sequence[str], *, instruction: str | None = None
    ) -> Scores:
        """P("yes") for each document, in the order they came; see `Scorer.score`."""
        return only_scores(self.score_many([query], [documents], instruction=instruction))

    def score_many(
        self,
        queries: Sequence[str],
        documents_per_query: Sequence[Sequence[str]],
        *,
        instruction: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[Scores | ScorerError]:
        """`score` for each query; what is new is asked in one call, if the scorer takes many.

        Returns:
            Scores, or the error of a query that could not be scored, in the order of both.

        Raises:
            ModelLoadError: A local model is missing or broken.
        """
        many = self._known(queries, documents_per_query, instruction)
        progress = Progress(on_progress, sum(map(len, documents_per_query)))
        fresh = self._fresh(many, instruction, progress)
        whole = self._whole(many, fresh, instruction)
        progress.reached(progress.total)
        return [whole[i] if i in whole else pairs.answer(fresh) for i, pairs in enumerate(many)]

    def fingerprint(self) -> str:
        """Tells the scores from any other's; see `Fingerprinted`."""
        return fingerprint_of(self.scorer) if self.identity is None else self.identity

    def _known(
        self,
        queries: Sequence[str],
        documents_per_query: Sequence[Sequence[str]],
        instruction: str | None,
    ) -> list[Pairs]:
        """The pairs of each query, with what the store knows of them."""
        if not any(documents_per_query):
            return [Pairs(query, (), (), {}) for query in queries]
        identity = self.fingerprint()
        asked = list(zip(queries, documents_per_query, strict=True))
        keys = [
            [pair_key(identity, instruction, q, d) for d in documents] for q, documents in asked
        ]
        found = self.store.get(list(dict.fromkeys(key for own in keys for key in own)))
        return [Pairs(q, d, own, found) for (q, d), own in zip(asked, keys, strict=True)]

    def _fresh(
        self, many: Sequence[Pairs], instruction: str | None, progress: Progress
    ) -> Mapping[bytes, Answer]:
        """Answers for what is new, by `Pairs.name`."""
        wanted = {pairs.name: pairs for pairs in many if pairs.new}

        def ask(names: Sequence[bytes]) -> list[Answer]:
            asked = [wanted[name] for name in names]
            earlier = progress.total - sum(len(pairs.new) for pairs in asked)
            texts = [list(pairs.new.values()) for pairs in asked]
            answers = self._ask(asked, texts, instruction, progress.after(earlier))
            self._remember(asked, answers)
            return answers

        return self._flights.answers(wanted, ask)

    def _whole(
        self, many: Sequence[Pairs], fresh: Mapping[bytes, Answer], instruction: str | None
    ) -> dict[int, Scores | ScorerError]:
        """By place, new answers where a fallback's would stand beside remembered scores.

        Scores of two models never mix in one answer.
        """
        mixed = [i for i, pairs in enumerate(many) if pairs.would_mix(fresh)]
        asked = [many[i] for i in mixed]
        answers = self._ask(asked, [pairs.documents for pairs in asked], instruction)
        return dict(zip(mixed, map(typed, answers), strict=True))

    def _ask(
        self,
        asked: Sequence[Pairs],
        texts: Sequence[Sequence[str]],
        instruction: str | None,
        on_progress: OnProgress | None = None,
    ) -> list[Answer]:
        queries = [pairs.query for pairs in asked]
        return ask_many(self.scorer, queries, texts, instruction, on_progress) if asked else []

    def _remember(self, asked: Sequence[Pairs], answers: Sequence[Answer]) -> None:
        found: dict[bytes, CachedScore] = {}
        for pairs, answer in zip(asked, answers, strict=True):
            if not isinstance(answer, ScorerError) and Scores.of(answer).fallback is None:
                found |= pairs.scored(Scores.of(answer))
        if found:
            self.store.put(found)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.scorer, self.store, self.identity)
