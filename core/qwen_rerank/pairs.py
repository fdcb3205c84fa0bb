"""A query with its documents, as a cache sees them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from qwen_rerank.types import DocumentScore, Outcome, RerankRequest, Scores


@dataclass(frozen=True)
class Pairs:
    """The pairs of one request, and what is known of them.

    Args:
        request: May hold equal documents.
        keys: Of each document with the query, see `pair_key`.
        known: What a store knows, of these pairs and of others.
    """

    request: RerankRequest
    keys: Sequence[bytes]
    known: Mapping[bytes, DocumentScore]

    @cached_property
    def new(self) -> dict[bytes, str]:
        """The documents that have to be scored, each once, by their keys."""
        pairs = zip(self.keys, self.request.documents, strict=True)
        return {key: text for key, text in pairs if key not in self.known}

    @property
    def missing(self) -> RerankRequest:
        """The request for what is new."""
        return replace(self.request, documents=list(self.new.values()))

    @cached_property
    def name(self) -> bytes:
        """Equal for all who lack just the same pairs."""
        return hashlib.blake2b(b"".join(self.new), digest_size=16).digest()

    def scored(self, scores: Scores) -> dict[bytes, DocumentScore]:
        """What to remember of the scores of `missing`."""
        pairs = zip(self.new, scores.documents, strict=True)
        return {key: document for key, document in pairs if document.score is not None}

    def would_mix(self, fresh: Mapping[bytes, Outcome]) -> bool:
        """Whether a fallback's scores would stand beside remembered ones."""
        outcome = fresh.get(self.name)
        fell_back = isinstance(outcome, Scores) and outcome.fallback is not None
        return fell_back and any(key in self.known for key in self.keys)

    def outcome(self, fresh: Mapping[bytes, Outcome]) -> Outcome:
        """One score for each document, from what is known and from the outcomes by `name`."""
        if not self.new:
            return Scores(tuple(self.known[key] for key in self.keys), remembered=True)
        outcome = fresh[self.name]
        if not isinstance(outcome, Scores):
            return outcome
        new = dict(zip(self.new, outcome.documents, strict=True))
        # `known` holds the pairs of other requests too: it is not copied
        documents = tuple(new.get(key) or self.known[key] for key in self.keys)
        return Scores(documents, outcome.fallback)


def pair_key(identity: str, instruction: str | None, query: str, document: str) -> bytes:
    """16 bytes that only an equal pair under equal conditions has.

    Each part is hashed with its length before it, so that ("a", "bc") is not ("ab", "c").
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in (identity, instruction or "", query, document):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.digest()
