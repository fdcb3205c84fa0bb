"""Rankings of documents, and TREC's file format for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from qwen_rerank.errors import InvalidInputError
from qwen_rerank.evaluation.dataset import Dataset

Ranking = list[tuple[str, float]]
"""Document ids with scores, best first."""
Run = Mapping[str, Ranking]
"""Query id -> ranking."""

TAG = "qwen-rerank"


def separated(ranking: Iterable[tuple[str, float]]) -> Ranking:
    """The ranking with strictly falling scores, at least one 32-bit step apart.

    trec_eval keeps 32 bits and sorts equal scores by id, so two probabilities near 1 would
    change places. With these scores every tool reads the order that was measured.
    """
    import numpy as np

    low = np.float32(-np.inf)
    last, strict = np.float32(np.inf), []
    for document, score in ranking:
        last = min(np.float32(score), np.nextafter(last, low))
        strict.append((document, float(last)))
    return strict


def write_run(run: Run, file: Path) -> None:
    """Write a run as trec_eval reads it: query, Q0, document, rank, score, tag."""
    with file.open("w", encoding="utf-8", newline="\n") as out:
        for query, ranking in run.items():
            for rank, (document, score) in enumerate(separated(ranking), start=1):
                _check_ids(query, document)
                out.write(f"{query} Q0 {document} {rank} {score:.9g} {TAG}\n")


def _check_ids(*ids: str) -> None:
    for id_ in ids:
        if len(id_.split()) != 1:
            raise InvalidInputError(
                f"a TREC run can't hold the id {id_!r}: it is empty or has blanks"
            )


def read_run(file: Path, dataset: Dataset, depth: int) -> Run:
    """Read a run; queries that are not in the dataset are left out.

    Raises:
        InvalidInputError: A line is wrong or names a document that the dataset lacks.
    """
    found: dict[str, dict[str, float]] = {query: {} for query in dataset.queries}
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            query, _, document, _, score, _ = line.split()
            value = float(score)
        except ValueError:
            raise InvalidInputError(f"{file}:{number}: no line of a TREC run: {line!r}") from None
        if document not in dataset.documents:
            raise InvalidInputError(f"{file}:{number}: the dataset has no document {document!r}")
        if query in found:
            found[query][document] = value
    return {query: _best(scores, depth) for query, scores in found.items()}


def _best(scores: Mapping[str, float], depth: int) -> Ranking:
    return sorted(scores.items(), key=lambda one: -one[1])[:depth]
