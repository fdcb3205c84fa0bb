"""A first stage's rankings against the same ones reranked."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from pathlib import Path

from qwen_rerank.errors import MissingDependencyError
from qwen_rerank.evaluation.dataset import Dataset
from qwen_rerank.evaluation.journal import Journal, Reranked
from qwen_rerank.evaluation.report import Report, make_report
from qwen_rerank.evaluation.run import Ranking, Run
from qwen_rerank.reranker import Reranker
from qwen_rerank.types import RerankResult

WARM_UP = ("What is the capital of China?", ["The capital of China is Beijing."])


def compare(
    dataset: Dataset,
    before: Run,
    reranker: Reranker,
    *,
    top: int = 3,
    journal: Path | None = None,
    progress: bool = False,
) -> Report:
    """Rerank what a first stage found, and measure both.

    Args:
        dataset: Queries, documents and judgements.
        before: The first stage's ranking of each query; all of it is reranked.
        reranker: What is measured.
        top: The k of `hit@k` and `hits@k`.
        journal: A file that remembers finished queries; called again with it, an
            interrupted evaluation goes on, and its figures are those of one that ran through.
        progress: Show a bar on standard error.

    Raises:
        ConfigError: The journal belongs to another evaluation.
        ScorerError: No scores could be had, and the reranker is told to raise.
    """
    book = Journal(journal, _subject(dataset, before, reranker))
    found = book.read()
    left = [query for query in dataset.queries if query not in found]
    if left:
        reranker.rerank(*WARM_UP)  # loads the model, which is no query's latency
    with book:
        for query in _shown(left, len(dataset.queries), progress):
            found[query] = _rerank(dataset, query, before.get(query, []), reranker)
            book.add(query, found[query])
    return make_report(dataset, before, {query: found[query] for query in dataset.queries}, top)


def _rerank(dataset: Dataset, query: str, ranking: Ranking, reranker: Reranker) -> Reranked:
    texts = [dataset.documents[document] for document, _ in ranking]
    start = time.perf_counter()
    results = reranker.rerank(dataset.queries[query], texts)
    seconds = time.perf_counter() - start
    scored = [(ranking[one.index][0], _score(one, i)) for i, one in enumerate(results)]
    reason = results[0].not_reranked if results else None
    return Reranked(scored, seconds, reason)


def _score(result: RerankResult, rank: int) -> float:
    """Below every score where there is none, so that a run keeps the order that came."""
    return -float(rank) if result.score is None else result.score


def _subject(dataset: Dataset, before: Run, reranker: Reranker) -> str:
    """A hash of all that the rankings depend on."""
    order = [(query, [document for document, _ in before.get(query, [])]) for query in before]
    parts = dataset.fingerprint(), repr(order), repr(reranker.__reduce__()[1])
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _shown(queries: list[str], total: int, progress: bool) -> Iterable[str]:
    if not progress:
        return queries
    try:
        from tqdm import tqdm
    except ImportError:
        raise MissingDependencyError("tqdm", "eval") from None
    done = total - len(queries)
    return tqdm(queries, total=total, initial=done, unit="query", disable=None)
