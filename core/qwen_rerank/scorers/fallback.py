"""Another scorer for the time when the first one gives no scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from qwen_rerank.errors import ConfigError, ModelLoadError, ScorerError
from qwen_rerank.outage import OutageLog
from qwen_rerank.scorers.single import as_batch_scorer
from qwen_rerank.types import BatchScorer, Outcome, RerankRequest, Scorer, Scores


class FallbackScorer(BatchScorer):
    """Asks its scorers in order; the first that answers scores the whole list.

    Scores of two models never mix in one answer. An outage of the first is logged once, and
    so is its end; each call tries the first anew, so that its recovery needs no restart.

    Args:
        first: The scorer that is meant.
        *others: What to use instead, best first.
    """

    def __init__(self, first: Scorer, *others: Scorer) -> None:
        if not others:
            raise ConfigError("FallbackScorer needs at least one scorer to fall back to")
        self.scorers = (first, *others)
        self._batch_scorers = [as_batch_scorer(scorer) for scorer in self.scorers]
        self._outages = OutageLog(
            "a fallback is asked instead", "the first model scores again, after %d calls"
        )
        self._load_failures = [
            OutageLog(f"fallback {n} does not load", f"fallback {n} loads, after %d calls")
            for n in range(1, len(others) + 1)
        ]

    @property
    def fallen_back(self) -> int:
        """How many calls the first scorer did not answer, since the start."""
        return self._outages.total

    def score_batch(self, requests: Sequence[RerankRequest]) -> list[Outcome]:
        """See `BatchScorer.score_batch`; each scorer gets in one call what is not yet scored.

        Returns:
            Scores, those of a fallback marked, or the first scorer's error of a request that
            no scorer could score. A fallback whose model does not load is logged.

        Raises:
            ModelLoadError: The first scorer's model does not load.
        """
        first, *others = self._batch_scorers
        outcomes = first.score_batch(requests)
        self._log(outcomes)
        for scorer, log in zip(others, self._load_failures, strict=True):
            failures = _failures(outcomes)
            again = _fallback_outcomes(scorer, [requests[i] for i in failures], log)
            for (i, failure), outcome in zip(failures.items(), again, strict=True):
                outcomes[i] = _marked(outcome, failure)
        return outcomes

    def _log(self, outcomes: Sequence[Outcome]) -> None:
        failures = _failures(outcomes)
        for failure in failures.values():
            self._outages.log(failure)
        fresh = (o for o in outcomes if isinstance(o, Scores) and o.documents and not o.remembered)
        if not failures and any(fresh):
            self._outages.ended()

    def fingerprint(self) -> str:
        """The first scorer's; scores of the others are marked and not remembered."""
        return self._batch_scorers[0].fingerprint()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FallbackScorer) and self.scorers == other.scorers

    def __hash__(self) -> int:
        return hash(self.scorers)

    def __repr__(self) -> str:
        return f"FallbackScorer({', '.join(map(repr, self.scorers))})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.scorers


def _fallback_outcomes(
    scorer: BatchScorer, requests: Sequence[RerankRequest], log: OutageLog
) -> Sequence[Outcome]:
    """The outcomes of a fallback.

    If its model does not load, each request gets that error: the outage of the first scorer may
    keep the model's hub out of reach, too.
    """
    if not requests:
        return []
    try:
        outcomes = scorer.score_batch(requests)
    except ModelLoadError as error:
        log.log(error)
        return [error] * len(requests)
    log.ended()
    return outcomes


def _failures(outcomes: Sequence[Outcome]) -> dict[int, ScorerError]:
    """The errors, by the place of their request."""
    return {i: outcome for i, outcome in enumerate(outcomes) if isinstance(outcome, ScorerError)}


def _marked(outcome: Outcome, failure: ScorerError) -> Outcome:
    """Scores with the failure of the first scorer as their reason; that failure without scores."""
    if isinstance(outcome, ScorerError):
        return failure
    return replace(outcome, fallback=f"{type(failure).__name__}: {failure}")
