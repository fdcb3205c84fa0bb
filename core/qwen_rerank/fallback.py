"""Another scorer for the time when the first one gives no scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qwen_rerank.errors import ConfigError, ModelLoadError, ScorerError
from qwen_rerank.outage import OutageLog
from qwen_rerank.types import Scorer, Scores


class FallbackScorer:
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
        self._outages = OutageLog(
            "another model scores instead", "the first model scores again, after %d calls"
        )

    @property
    def fallen_back(self) -> int:
        """How many calls the first scorer did not answer, since the start."""
        return self._outages.total

    def score(
        self, query: str, documents: Sequence[str], *, instruction: str | None = None
    ) -> Scores:
        """P("yes") for each document, all from one scorer; see `Scorer.score`.

        Raises:
            ModelLoadError: A local model is missing or broken: that is no outage.
            ScorerError: The last scorer's, when none answered.
        """
        failure: ScorerError | None = None
        for scorer in self.scorers:
            try:
                scores = scorer.score(query, documents, instruction=instruction)
            except ModelLoadError:
                raise
            except ScorerError as error:
                self._note(failure, error)
                failure = failure or error
            else:
                return self._marked(scores, failure)
        assert failure is not None  # noqa: S101 - there is at least one scorer
        raise failure

    def _note(self, before: ScorerError | None, error: ScorerError) -> None:
        if before is None:
            self._outages.log(error)

    def _marked(self, scores: Sequence[float], failure: ScorerError | None) -> Scores:
        truncated = scores.truncated if isinstance(scores, Scores) else ()
        if failure is None:
            self._outages.ended()
            return Scores(scores, truncated=truncated)
        reason = f"{type(failure).__name__}: {failure}"
        return Scores(scores, truncated=truncated, fallback=reason)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FallbackScorer) and self.scorers == other.scorers

    def __hash__(self) -> int:
        return hash(self.scorers)

    def __repr__(self) -> str:
        return f"FallbackScorer({', '.join(map(repr, self.scorers))})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.scorers
