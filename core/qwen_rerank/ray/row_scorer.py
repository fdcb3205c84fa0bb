"""Scores the rows of a bulk job; a row that can't be scored costs no other row its scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from qwen_rerank.candidates import Candidates
from qwen_rerank.errors import InvalidInputError, ScorerError, ScorerUnavailableError
from qwen_rerank.factory import load
from qwen_rerank.ray.settings import BulkSettings
from qwen_rerank.scorers.remote.endpoint import refuses_all
from qwen_rerank.scorers.single import as_batch_scorer
from qwen_rerank.types import Outcome, RerankRequest, RerankResult

MOST_REASONS = 3
"""Documents without a score that an error names; it counts the others."""


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """What a row gets."""

    results: list[RerankResult] | None
    """One for each document, best first; `None` if the row could not be scored."""
    error: str | None = None
    """Why the row, or some of its documents, have no score."""


class RowScorer:
    """A scorer for rows of query and documents as they come from a file.

    Args:
        settings: Of the scorer, with `instruction` and `max_candidates`.
    """

    def __init__(self, settings: BulkSettings) -> None:
        self._reranker = load(settings)
        self._scorer = as_batch_scorer(self._reranker.scorer)

    def score(self, rows: Sequence[tuple[Any, Any]]) -> list[ScoredRow]:
        """Score all rows in one call.

        Args:
            rows: A query and its documents each, not checked yet.

        Raises:
            ModelLoadError: The model is missing or broken.
            ScorerUnavailableError: No server answers, and `on_error` is `"raise"`.
            RemoteRejectedError: A server refuses every request, and `on_error` is `"raise"`.
        """
        checked = [self._checked(query, documents) for query, documents in rows]
        wanted = [row for row in checked if isinstance(row, Candidates)]
        outcomes = iter(self._outcomes(wanted))
        return [
            self._scored(row, next(outcomes)) if isinstance(row, Candidates) else row
            for row in checked
        ]

    def _checked(self, query: Any, documents: Any) -> Candidates | ScoredRow:
        instruction, prefilter = self._reranker.instruction, self._reranker.prefilter
        try:
            return Candidates(RerankRequest(query, documents, instruction), prefilter)
        except InvalidInputError as error:
            return ScoredRow(None, str(error))

    def _outcomes(self, rows: Sequence[Candidates]) -> list[Outcome | InvalidInputError]:
        """An outcome for each row; a query that is too long stops the whole call of a scorer."""
        try:
            return list(self._scorer.score_batch([row.request for row in rows]))
        except InvalidInputError as error:
            if len(rows) == 1:
                return [error]
            return [outcome for row in rows for outcome in self._outcomes([row])]

    def _scored(self, row: Candidates, outcome: Outcome | InvalidInputError) -> ScoredRow:
        if isinstance(outcome, ScorerError | InvalidInputError):
            if self._reranker.on_error == "raise" and concerns_all(outcome):
                raise outcome
            return ScoredRow(None, f"{type(outcome).__name__}: {outcome}")
        results = row.ranking(outcome)
        return ScoredRow(results, "; ".join(_reasons(results)) or None)


def concerns_all(error: Exception) -> bool:
    """Whether the next row would meet the same error, so that the job had better stop."""
    return isinstance(error, ScorerUnavailableError) or refuses_all(error)


def _reasons(results: Sequence[RerankResult]) -> Iterator[str]:
    unscored = [result for result in results if result.score is None]
    for result in unscored[:MOST_REASONS]:
        yield f"documents[{result.index}]: {result.not_reranked}"
    if len(unscored) > MOST_REASONS:
        yield f"and {len(unscored) - MOST_REASONS} more"
