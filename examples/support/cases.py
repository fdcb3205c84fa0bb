"""The five questions, each with ten candidates of which two or three answer it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from examples.support.dense import DenseIndex, Embedder
from qwen_rerank import Reranker

FILE = Path(__file__).parent.parent / "data" / "five_cases.jsonl"


@dataclass(frozen=True)
class Case:
    """A question and its candidates."""

    query: str
    documents: list[str]
    relevant: list[int]
    """Places of the documents that answer the question."""
    key: int
    """Place of the one that answers it best."""

    def hits(self, order: Sequence[int]) -> int:
        """How many of the first three answer the question."""
        return len(set(order[:3]) & set(self.relevant))


def read_cases(file: Path = FILE) -> list[Case]:
    """One case on each line."""
    return [Case(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


def show_cases(cases: Sequence[Case], embed: Embedder, reranker: Reranker) -> None:
    """Print FAISS's top 3 and the reranked top 3 of each case, and the mean of the hits."""
    hits = []
    for case in cases:
        before = DenseIndex(case.documents, embed).search(case.query, len(case.documents))
        found = [case.documents[place] for place in before]
        after = [before[result.index] for result in reranker.rerank(case.query, found)]
        hits.append((case.hits(before), case.hits(after)))
        _show_case(case, before, after)
    means = [sum(column) / len(cases) for column in zip(*hits, strict=True)]
    print(f"\nTop-3 hits, mean of {len(cases)} questions: {means[0]:.1f} -> {means[1]:.1f}")


def _show_case(case: Case, before: Sequence[int], after: Sequence[int]) -> None:
    print(f"\n{case.query}")
    for name, order in (("FAISS   ", before), ("Reranked", after)):
        print(f"  {name} top 3, {case.hits(order)} of {len(case.relevant)} relevant")
        for place in order[:3]:
            mark = "+" if place in case.relevant else " "
            print(f"    {mark} {case.documents[place][:60]}")
    print(f"  key document: rank {before.index(case.key) + 1} -> {after.index(case.key) + 1}")
