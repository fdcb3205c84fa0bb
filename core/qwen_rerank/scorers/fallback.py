"""Another scorer for the time when the first one gives no scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qwen_rerank.answers import only_scores
from qwen_rerank.asking import ask_many
from qwen_rerank.errors import ConfigError, ScorerError
from qwen_rerank.fingerprint import fingerprint_of
from qwen_rerank.outage import OutageLog
from qwen_rerank.progress import Progress
from qwen_rerank.types import Answer, OnProgress, Scorer, Scores


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
            ScorerError: The first scorer's, when none answered.
        """
        return only_scores(self.score_many([query], [documents], instruction=instruction))

    def score_many(
        self,
        queries: Sequence[str],
        documents_per_query: Sequence[Sequence[str]],
        *,
        instruction: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[Scores | ScorerError]:
        """`score` for each query; a scorer is asked in one call for what is still unanswered.

        Returns:
            Scores, those of a fallback marked query by query, or the first scorer's error of
            a query that none answered, in the order of both.

        Raises:
            ModelLoadError: A local model is missing or broken: that is no outage.
        """
        progress = Progress(on_progress, sum(map(len, documents_per_query)))

        def ask(scorer: Scorer, places: Sequence[int]) -> list[Answer]:
            texts = [documents_per_query[i] for i in places]
            tell = progress.after(progress.total - sum(map(len, texts)))
            return ask_many(scorer, [queries[i] for i in places], texts, instruction, tell)

        found = [_marked(answer) for answer in ask(self.scorers[0], range(len(queries)))]
        self._note(found)
        for scorer in self.scorers[1:]:
            left = _failures(found)
            answers = ask(scorer, list(left)) if left else []
            for (i, failure), answer in zip(left.items(), answers, strict=True):
                found[i] = _marked(answer, failure)
        return found

    def _note(self, found: Sequence[Scores | ScorerError]) -> None:
        failures = _failures(found)
        for failure in failures.values():
            self._outages.log(failure)
        if not failures and any(scores.news for scores in found if isinstance(scores, Scores)):
            self._outages.ended()

    def fingerprint(self) -> str:
        """The first scorer's; the others' scores are marked and not remembered."""
        return fingerprint_of(self.scorers[0])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FallbackScorer) and self.scorers == other.scorers

    def __hash__(self) -> int:
        return hash(self.scorers)

    def __repr__(self) -> str:
        return f"FallbackScorer({', '.join(map(repr, self.scorers))})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.scorers


def _failures(found: Sequence[Scores | ScorerError]) -> dict[int, ScorerError]:
    """By place, what stands where no scores do."""
    return {i: answer for i, answer in enumerate(found) if isinstance(answer, ScorerError)}


def _marked(answer: Answer, failure: ScorerError | None = None) -> Scores | ScorerError:
    """An answer with the failure of the scorer that was meant; that failure, if there is none."""
    if isinstance(answer, ScorerError):
        return failure or answer
    scores = Scores.of(answer)
    if failure is None:
        return scores
    reason = f"{type(failure).__name__}: {failure}"
    return Scores(scores, truncated=scores.truncated, remembered=scores.remembered, fallback=reason)
