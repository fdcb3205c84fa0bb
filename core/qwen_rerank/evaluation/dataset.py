"""Queries, documents, and which of these are relevant to which."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

Qrels = Mapping[str, Mapping[str, int]]
"""Query id -> document id -> grade; a document is relevant from grade 1."""


@dataclass(frozen=True)
class Dataset:
    """What an evaluation is about. Ids are texts; orders are those of the files."""

    name: str
    documents: Mapping[str, str]
    """Document id -> text."""
    queries: Mapping[str, str]
    """Query id -> text; only queries with a relevant document, the rest can't be measured."""
    qrels: Qrels
    """Exactly the queries above."""
    pools: Mapping[str, list[str]] | None = None
    """Query id -> the documents that it is searched in; `None` searches all of them."""
    left_out: int = 0
    """Queries that can't be measured, for no document is relevant to them."""

    def sample(self, count: int | None) -> Dataset:
        """The dataset with `count` queries, always the same ones, in their order."""
        if count is None or count >= len(self.queries):
            return self
        chosen = set(random.Random(0).sample(list(self.queries), count))  # noqa: S311 - no secret
        return replace(
            self,
            queries={query: text for query, text in self.queries.items() if query in chosen},
            qrels={query: grades for query, grades in self.qrels.items() if query in chosen},
        )

    def fingerprint(self) -> str:
        """A hash of everything inside."""
        content = [dict(self.documents), dict(self.queries), dict(self.qrels), self.pools]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()
