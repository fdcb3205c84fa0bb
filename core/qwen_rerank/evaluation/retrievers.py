"""The first stages: retrieval before reranking."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from qwen_rerank.errors import ConfigError
from qwen_rerank.evaluation.dataset import Dataset
from qwen_rerank.evaluation.dense import DenseIndex
from qwen_rerank.evaluation.embedding import LsaEmbedder, sentence_transformer
from qwen_rerank.evaluation.run import Run, read_run
from qwen_rerank.lexical.bm25 import Bm25Index

LSA = "lsa"
STAGES = ("faiss", "bm25", "given")

MakeIndex = Callable[[list[str]], Bm25Index | DenseIndex]


def retrieve(dataset: Dataset, stage: str, depth: int, embedding: str = LSA) -> Run:
    """Search each query in a first stage.

    Args:
        dataset: Queries and documents.
        stage: `"faiss"`, `"bm25"`, `"given"` (the order in which a JSONL line lists its
            documents), or the name of a TREC run file.
        depth: The most documents for each query.
        embedding: For FAISS: `"lsa"`, fitted on the documents, or a sentence-transformers
            model.

    Raises:
        ConfigError: The stage is unknown, or this dataset does not have it.
    """
    if stage == "given":
        return _given(dataset, depth)
    if stage == "bm25":
        return _search(dataset, depth, Bm25Index)
    if stage == "faiss":
        texts = list(dataset.documents.values())
        embed = LsaEmbedder(texts) if embedding == LSA else sentence_transformer(embedding)
        return _search(dataset, depth, partial(DenseIndex, embed=embed))
    if not Path(stage).is_file():
        raise ConfigError(f"first stage: wanted {', '.join(STAGES)} or a run file, got {stage!r}")
    return read_run(Path(stage), dataset, depth)


def _given(dataset: Dataset, depth: int) -> Run:
    if dataset.pools is None:
        raise ConfigError('first stage "given": only a JSONL file lists documents in an order')
    return {
        query: [(document, 1 / rank) for rank, document in enumerate(pool[:depth], start=1)]
        for query, pool in dataset.pools.items()
        if query in dataset.queries
    }


def _search(dataset: Dataset, depth: int, make: MakeIndex) -> Run:
    if dataset.pools is None:
        return _found(dataset, list(dataset.queries), list(dataset.documents), make, depth)
    run: dict[str, list[tuple[str, float]]] = {}
    for query in dataset.queries:
        run |= _found(dataset, [query], dataset.pools[query], make, depth)
    return run


def _found(
    dataset: Dataset,
    queries: list[str],
    pool: list[str],
    make: MakeIndex,
    depth: int,
) -> dict[str, list[tuple[str, float]]]:
    index = make([dataset.documents[document] for document in pool])
    places, scores = index.search_many([dataset.queries[query] for query in queries], depth)
    rows = zip(queries, places.tolist(), scores.tolist(), strict=True)
    return {
        query: [(pool[place], score) for place, score in zip(found, values, strict=True)]
        for query, found, values in rows
    }
