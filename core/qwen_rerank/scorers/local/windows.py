"""Scores long documents by their best part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qwen_rerank.progress import Progress
from qwen_rerank.scorers.local.scorer import QUERIES_AT_ONCE, LocalScorer
from qwen_rerank.types import OnProgress, Scores

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

    def score_many(
        self,
        queries: Sequence[str],
        documents_per_query: Sequence[Sequence[str]],
        *,
        instruction: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[Scores]:
        """See `LocalScorer.score_many`; no document counts as truncated.

        Raises:
            InvalidInputError: Instruction and a query leave no room for windows of a long document.
        """
        progress = Progress(on_progress, sum(map(len, documents_per_query)))
        found = LocalScorer.score_many(  # super() knows no dataclass with slots
            self,
            queries,
            documents_per_query,
            instruction=instruction,
            # the last document is done when all windows are
            on_progress=lambda done, total: progress.reached(min(done, total - 1)),
        )
        long = [place for place, scores in enumerate(found) if scores.truncated]
        for first in range(0, len(long), QUERIES_AT_ONCE):
            places = long[first : first + QUERIES_AT_ONCE]
            asked = [(queries[i], documents_per_query[i], found[i]) for i in places]
            for i, scores in zip(places, self._best(asked, instruction), strict=True):
                found[i] = scores
        progress.reached(progress.total)
        return found

    def _best(
        self, asked: Sequence[tuple[str, Sequence[str], Scores]], instruction: str | None
    ) -> Iterator[Scores]:
        """The scores of several queries, with those of the further windows taken in."""
        model = self._shared_model()
        encoder, encoded, owners = model.encoder(self.prompt), [], []
        for query, documents, scores in asked:
            cut = sorted(scores.truncated)
            texts = [documents[i] for i in cut]
            one, owner = encoder.encode_rest(query, texts, instruction, self.max_length, OVERLAP)
            encoded.append(one)
            owners.append([cut[i] for i in owner])
        many = model.engine.log_odds(encoded)
        for (_, _, scores), odds, one, owner in zip(asked, many, encoded, owners, strict=True):
            best = list(scores)
            for i, score in zip(owner, self._scores(odds, one), strict=True):
                best[i] = max(best[i], score)
            yield Scores(best)
