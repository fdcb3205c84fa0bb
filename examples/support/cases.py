"""The demo's questions, each with ten documents of which two or three answer it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from examples.support.dense import DenseIndex, Embedder
from qwen_rerank import Reranker

DATA = Path(__file__).parent.parent / "data"
ENGLISH = DATA / "five_cases_en.jsonl"
CHINESE = DATA / "five_cases.jsonl"


@dataclass(frozen=True)
class Case:
    """A question and its candidates."""

    query: str
    documents: list[str]
    relevant: list[int]
    """Places of the documents that answer the question."""
    key: int
    """Place of the one that answers it best."""


@dataclass(frozen=True)
class Outcome:
    """The two orders of a case's documents, as places in `Case.documents`."""

    case: Case
    before: list[int]
    """FAISS's order."""
    after: list[int]
    """The reranker's order."""

    @property
    def hits(self) -> tuple[int, int]:
        """How many of the first three documents answer the question, before and after."""
        relevant = set(self.case.relevant)
        return len(relevant & set(self.before[:3])), len(relevant & set(self.after[:3]))

    @property
    def key_ranks(self) -> tuple[int, int]:
        """Where the key document stands, from 1, before and after."""
        key = self.case.key
        return self.before.index(key) + 1, self.after.index(key) + 1


def read_cases(files: Sequence[Path] = (ENGLISH, CHINESE)) -> list[Case]:
    """One case on each line."""
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [Case(**json.loads(line)) for line in lines]


def run_cases(cases: Sequence[Case], embed: Embedder, reranker: Reranker) -> Iterator[Outcome]:
    """Search with FAISS, then rerank, one case after another."""
    for case in cases:
        before = DenseIndex(case.documents, embed).search(case.query, len(case.documents))
        found = [case.documents[place] for place in before]
        after = [before[result.index] for result in reranker.rerank(case.query, found)]
        yield Outcome(case, before, after)
