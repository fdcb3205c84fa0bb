"""Remembers scores."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

from qwen_rerank.errors import ScorerError
from qwen_rerank.scorers.in_flight import InFlight
from qwen_rerank.scorers.score_store import MemoryStore, ScoreStore
from qwen_rerank.scorers.single import SingleScorer, as_batch_scorer
from qwen_rerank.types import BatchScorer, DocumentScore, Outcome, RerankRequest, Scorer, Scores


@dataclass(frozen=True)
class CachedScorer(BatchScorer):
    """Scores only the pairs of query and document that are not remembered.

    It remembers the scores of the scorer itself: no errors, no scores of a fallback, no
    documents without a score. Threads that need the same request at the same time share one
    outcome.

    A bf16 model moves a score by about 1e-3 with the batch that it is computed in, so near ties
    may change their order between remembered and new scores.

    Args:
        scorer: Gives the scores.
        store: Where scores are kept; by default in this process, for an hour.
        identity: Tells this scorer's scores from those of any other scorer; the default is the
            scorer's fingerprint. Change it when a server gets another revision of its model.

    Raises:
        ConfigError: The scorer has no fingerprint, and `identity` is not set.
    """

    scorer: Scorer
    store: ScoreStore = field(default_factory=MemoryStore)
    identity: str | None = None
    _batch_scorer: BatchScorer = field(init=False, repr=False, compare=False)
    _in_flight: InFlight = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_batch_scorer", as_batch_scorer(self.scorer))
        object.__setattr__(self, "_in_flight", InFlight())
        if isinstance(self._batch_scorer, SingleScorer):
            self.fingerprint()  # raises if there is none

    def score_batch(self, requests: Sequence[RerankRequest]) -> list[Outcome]:
        """See `BatchScorer.score_batch`; all that is not remembered is scored in one call."""
        lookups = self._look_up(requests)
        incomplete = {lookup.keys: lookup for lookup in lookups if lookup.missing}
        scored = self._in_flight.outcomes(incomplete, self._score) if incomplete else {}
        return [scored[x.keys] if x.missing else x.completed(Scores()) for x in lookups]

    def fingerprint(self) -> str:
        """See `BatchScorer.fingerprint`."""
        return self._batch_scorer.fingerprint() if self.identity is None else self.identity

    def _look_up(self, requests: Sequence[RerankRequest]) -> list[Lookup]:
        identity = self.fingerprint() if any(r.documents for r in requests) else ""
        keys = [pair_keys(identity, request) for request in requests]
        found = self.store.get(list(dict.fromkeys(chain.from_iterable(keys))))
        known = {key: score for key, score in found.items() if _is_valid(score)}
        return [Lookup(r, own, known) for r, own in zip(requests, keys, strict=True)]

    def _score(self, lookups: Sequence[Lookup]) -> list[Outcome]:
        """Score what is missing, and remember it.

        Scores of two models never mix in one outcome: if a fallback scored what was missing,
        all documents of that request are scored again.
        """
        parts = self._batch_scorer.score_batch([lookup.missing_part for lookup in lookups])
        pairs = list(zip(lookups, parts, strict=True))
        self._remember(pairs)
        mixed = [lookup.request for lookup, part in pairs if lookup.would_mix(part)]
        again = iter(self._batch_scorer.score_batch(mixed) if mixed else ())
        return [next(again) if x.would_mix(part) else x.completed(part) for x, part in pairs]

    def _remember(self, scored: Sequence[tuple[Lookup, Outcome]]) -> None:
        new: dict[bytes, DocumentScore] = {}
        for lookup, part in scored:
            if isinstance(part, Scores) and part.fallback is None:
                documents = zip(lookup.missing, part.documents, strict=True)
                new |= {key: score for key, score in documents if _is_valid(score)}
        if new:
            self.store.put(new)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.scorer, self.store, self.identity)


def pair_keys(identity: str, request: RerankRequest) -> tuple[bytes, ...]:
    """16 bytes for each document; equal only for equal texts under the same identity."""
    prefix = hashlib.blake2b(digest_size=16)
    for text in (identity, request.instruction or "", request.query):
        prefix.update(_with_length(text))
    keys = []
    for document in request.documents:
        digest = prefix.copy()
        digest.update(_with_length(document))
        keys.append(digest.digest())
    return tuple(keys)


def _with_length(text: str) -> bytes:
    """With the length first, ("a", "bc") and ("ab", "c") differ."""
    data = text.encode("utf-8", "surrogatepass")
    return len(data).to_bytes(8, "big") + data


def _is_valid(score: DocumentScore) -> bool:
    return score.score is not None and 0 <= score.score <= 1


@dataclass(frozen=True)
class Lookup:
    """A request, and what is remembered of it."""

    request: RerankRequest
    keys: tuple[bytes, ...]
    known: Mapping[bytes, DocumentScore]
    """Remembered scores by key; holds those of other requests as well."""

    @cached_property
    def missing(self) -> dict[bytes, str]:
        """The documents without a remembered score by key, equal ones once."""
        documents = zip(self.keys, self.request.documents, strict=True)
        return {key: text for key, text in documents if key not in self.known}

    @property
    def missing_part(self) -> RerankRequest:
        """The request for the missing documents only."""
        texts = list(self.missing.values())
        return RerankRequest(self.request.query, texts, self.request.instruction)

    def would_mix(self, part: Outcome) -> bool:
        """Whether scores of a fallback would stand beside remembered ones."""
        is_fallback = isinstance(part, Scores) and part.fallback is not None
        return is_fallback and any(key not in self.missing for key in self.keys)

    def completed(self, part: Outcome) -> Outcome:
        """The outcome of the whole request, from the outcome of `missing_part`."""
        if isinstance(part, ScorerError):
            return part
        scores = dict(zip(self.missing, part.documents, strict=True))
        documents = tuple(scores[k] if k in scores else self.known[k] for k in self.keys)
        return Scores(documents, part.fallback, remembered=not self.missing)
