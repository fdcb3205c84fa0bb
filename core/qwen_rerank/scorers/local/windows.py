"""Scores long documents by their best part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

from qwen_rerank.scorers.local.scorer import REQUESTS_IN_MEMORY, LocalScorer
from qwen_rerank.types import DocumentScore, Outcome, RerankRequest, Scores

OVERLAP = 4
"""Neighbouring windows share this part of a window, one in so many: what is no longer than
that stands whole in one of them."""


@dataclass(frozen=True, slots=True)
class WindowScorer(LocalScorer):
    """A `LocalScorer` that reads documents beyond `max_length` to their end.

    Such a document's score is the best one of its overlapping windows, each as long as
    `max_length` allows; the first of them is what a `LocalScorer` reads. All other documents
    are scored in the same passes as there, to the same digit.
    """

    def score_batch(self, requests: Sequence[RerankRequest]) -> list[Outcome]:
        """See `LocalScorer.score_batch`; no document counts as truncated.

        Raises:
            InvalidInputError: Instruction and query leave no room for windows of a long document.
        """
        outcomes = LocalScorer.score_batch(self, requests)  # super() fails in slotted dataclasses
        long = [i for i, outcome in enumerate(outcomes) if _truncated(outcome)]
        for first in range(0, len(long), REQUESTS_IN_MEMORY):
            places = long[first : first + REQUESTS_IN_MEMORY]
            pairs = [(requests[i], cast(Scores, outcomes[i])) for i in places]
            for i, outcome in zip(places, self._best(pairs), strict=True):
                outcomes[i] = outcome
        return outcomes

    def _best(self, pairs: Sequence[tuple[RerankRequest, Scores]]) -> Iterator[Outcome]:
        """The outcomes of several requests, the further windows of long documents included."""
        engine, encoder = self._loaded()[:2]
        encoded, owners = [], []
        for request, scores in pairs:
            long = _truncated(scores)
            cut = replace(request, documents=[request.documents[i] for i in long])
            one, owner = encoder.encode_rest(cut, self.max_length, OVERLAP)
            encoded.append(one)
            owners.append([long[i] for i in owner])
        many = engine.log_odds(encoded)
        for (_, scores), odds, one, owner in zip(pairs, many, encoded, owners, strict=True):
            windows = self._outcome(odds, one, encoder.spec)
            yield _merged(scores, windows, owner) if isinstance(windows, Scores) else windows


def _truncated(outcome: Outcome) -> list[int]:
    """Places of the documents that were cut."""
    documents = outcome.documents if isinstance(outcome, Scores) else ()
    return [place for place, document in enumerate(documents) if document.truncated]


def _merged(scores: Scores, windows: Scores, owners: Sequence[int]) -> Scores:
    """Each document's best score, its own or that of one of its windows."""
    documents = [replace(document, truncated=False) for document in scores.documents]
    for place, window in zip(owners, windows.documents, strict=True):
        documents[place] = _best_of(documents[place], window)
    return Scores(tuple(documents))


def _best_of(document: DocumentScore, window: DocumentScore) -> DocumentScore:
    """The better one; none if a part has no score, for that part may be the best."""
    tokens = (document.tokens or 0) + (window.tokens or 0)
    if document.score is None or window.score is None:
        reason = document.reason or window.reason
        return DocumentScore(None, reason, tokens=tokens)
    return DocumentScore(max(document.score, window.score), tokens=tokens)
