"""Queries, documents, and which documents are relevant to which query."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

Qrels = Mapping[str, Mapping[str, int]]
"""Query id -> document id -> grade; a document is relevant from grade 1."""


@dataclass(frozen=True)
class Dataset:
    """The data of an evaluation. Ids are texts; all orders are those of the files."""

    name: str
    documents: Mapping[str, str]
    """Document id -> text."""
    queries: Mapping[str, str]
    """Query id -> text; only queries with a relevant document, the rest can't be measured."""
    qrels: Qrels
    """The judgements of exactly these queries."""
    pools: Mapping[str, list[str]] | None = None
    """Query id -> the documents that it is searched in; `None` searches all of them."""
    left_out: int = 0
    """How many queries have no relevant document, and so can't be measured."""

    def sample(self, count: int | None) -> Dataset:
        """The dataset with `count` queries, spread evenly over the file; `None` keeps all."""
        if count is None or count >= len(self.queries):
            return self
        ids = list(self.queries)
        chosen = [ids[place * len(ids) // count] for place in range(count)]
        return replace(
            self,
            queries={query: self.queries[query] for query in chosen},
            qrels={query: self.qrels[query] for query in chosen},
        )

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all documents, queries, judgements and pools."""
        digest = hashlib.sha256()
        for part in (self.documents, self.queries, self.qrels, self.pools or {}):
            for item in part.items():
                digest.update(json.dumps(item).encode())
            digest.update(b"\n")
        return digest.hexdigest()
