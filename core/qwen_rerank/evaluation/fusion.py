"""Orders documents by the first stage and the reranker together."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, pstdev

from qwen_rerank.evaluation.journal import Reranked
from qwen_rerank.evaluation.run import Ranking
from qwen_rerank.log_odds import log_odds


def fuse(before: Ranking, reranked: Reranked) -> Ranking:
    """Order by the mean of both scores, with equal weights.

    The first stage's scores and the log odds of the reranker's are each standardised within
    the list (mean 0, deviation 1). Documents without a score of the reranker's stand below, in
    the first stage's order, as all do if the query was not reranked. Equal ones keep that
    order, too.
    """
    if reranked.not_reranked is not None:
        return before
    odds = {document: log_odds(score) for document, score in reranked.ranking if score >= 0}
    both = [(document, score) for document, score in before if document in odds]
    first = _standardised([score for _, score in both])
    second = _standardised([odds[document] for document, _ in both])
    means = [(a + b) / 2 for a, b in zip(first, second, strict=True)]
    fused = sorted(zip([document for document, _ in both], means, strict=True), key=lambda x: -x[1])
    rest = [document for document, _ in before if document not in odds]
    lowest = min(means, default=0.0)
    return fused + [(document, lowest - rank) for rank, document in enumerate(rest, start=1)]


def _standardised(values: Sequence[float]) -> list[float]:
    """Values with mean 0 and deviation 1; all 0 if they are equal."""
    if not values:
        return []
    mean, deviation = fmean(values), pstdev(values)
    return [(value - mean) / deviation if deviation else 0.0 for value in values]
