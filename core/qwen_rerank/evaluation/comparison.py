"""Compares a first stage's rankings with the same ones reranked."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from qwen_rerank.evaluation.dataset import Dataset
from qwen_rerank.evaluation.journal import Journal, Reranked
from qwen_rerank.evaluation.progress import show_progress, show_stage
from qwen_rerank.evaluation.report import Report, make_report
from qwen_rerank.evaluation.run import Ranking, Run
from qwen_rerank.extras import require_package
from qwen_rerank.reranker import Reranker
from qwen_rerank.types import RerankResult

WARM_UP_QUERY = ("What is the capital of China?", ["The capital of China is Beijing."])


def compare(
    dataset: Dataset,
    before: Run,
    reranker: Reranker,
    *,
    top: int = 3,
    journal: Path | None = None,
    fusion: bool = False,
    progress: bool = False,
) -> Report:
    """Rerank what a first stage found, and measure both.

    Args:
        dataset: Queries, documents and judgements.
        before: The first stage's ranking of each query; all of it is reranked.
        reranker: The reranker to measure.
        top: The k of `hit@k` and `hits@k`.
        journal: A file that keeps finished queries. Called again with it, an interrupted
            evaluation continues and a finished one computes nothing; the figures are those of
            one run without a break.
        fusion: Measure the order by both scores as well, see `fuse`.
        progress: Write stages and finished queries to standard error.

    Raises:
        ConfigError: The journal belongs to another evaluation.
        MissingDependencyError: ir-measures is not installed; known before any work.
        ScorerError: There are no scores, and the reranker has `on_error="raise"`.
    """
    require_package("ir-measures", "eval", "ir_measures")
    record = Journal(journal, _subject(dataset, before, reranker))
    found = record.read()
    left = [query for query in dataset.queries if query not in found]
    if left:
        _load_model(reranker, progress)
    with record:
        for query in show_progress(left, len(dataset.queries)) if progress else left:
            found[query] = _rerank(dataset, query, before.get(query, []), reranker)
            record.add(query, found[query])
    return make_report(
        dataset, before, {query: found[query] for query in dataset.queries}, top, fusion
    )


def _load_model(reranker: Reranker, progress: bool) -> None:
    """Rerank one document: loading the model must not count as a query's latency."""
    if progress:
        show_stage("loading the model or reaching the server")
    reranker.rerank(*WARM_UP_QUERY)


def _rerank(dataset: Dataset, query: str, ranking: Ranking, reranker: Reranker) -> Reranked:
    texts = [dataset.documents[document] for document, _ in ranking]
    start = time.perf_counter()
    results = reranker.rerank(dataset.queries[query], texts)
    seconds = time.perf_counter() - start
    scored = [(ranking[one.index][0], _score(one, i)) for i, one in enumerate(results)]
    reason = results[0].not_reranked if results else None
    return Reranked(scored, seconds, reason)


def _score(result: RerankResult, rank: int) -> float:
    """The score, or a number below all scores that keeps the order of the results."""
    return -1.0 - rank if result.score is None else result.score


def _subject(dataset: Dataset, before: Run, reranker: Reranker) -> str:
    """A hash of all that the rankings depend on."""
    order = [(query, [document for document, _ in before.get(query, [])]) for query in before]
    settings = reranker.scorer, reranker.instruction, reranker.on_error, reranker.prefilter
    parts = dataset.fingerprint, repr(order), repr(settings)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
