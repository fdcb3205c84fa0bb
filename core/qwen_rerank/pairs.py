"""A query with its documents, as a cache sees them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from qwen_rerank.errors import ScorerError
from qwen_rerank.types import Answer, Scores


@dataclass(frozen=True, slots=True)
class CachedScore:
    """What is remembered of one pair."""

    score: float
    truncated: bool = False


@dataclass(frozen=True)
class Pairs:
    """The pairs of one query, and what is known of them.

    Args:
        query: What is searched for.
        documents: The candidates; may hold equal texts.
        keys: Of each document with the query, see `pair_key`.
        known: What a store knows, of these pairs and of others.
    """

    query: str
    documents: Sequence[str]
    keys: Sequence[bytes]
    known: Mapping[bytes, CachedScore]

    @cached_property
    def new(self) -> dict[bytes, str]:
        """The documents that have to be scored, each once, by their keys."""
        pairs = zip(self.keys, self.documents, strict=True)
        return {key: text for key, text in pairs if key not in self.known}

    @cached_property
    def name(self) -> bytes:
        """Equal for all who lack just the same pairs."""
        return hashlib.blake2b(b"".join(self.new), digest_size=16).digest()

    def scored(self, answer: Scores) -> dict[bytes, CachedScore]:
        """What to remember of an answer for `new`."""
        return {
            key: CachedScore(score, place in answer.truncated)
            for place, (key, score) in enumerate(zip(self.new, answer, strict=True))
        }

    def would_mix(self, fresh: Mapping[bytes, Answer]) -> bool:
        """Whether a fallback's scores would stand beside remembered ones."""
        answer = fresh.get(self.name, ())
        fell_back = not isinstance(answer, ScorerError) and Scores.of(answer).fallback is not None
        return fell_back and any(key in self.known for key in self.keys)

    def answer(self, fresh: Mapping[bytes, Answer]) -> Scores | ScorerError:
        """One score per document, from what is known and from the answers by `name`."""
        if not self.new:
            return _scores([self.known[key] for key in self.keys], remembered=True)
        answer = fresh[self.name]
        if isinstance(answer, ScorerError):
            return answer
        scores = Scores.of(answer)
        found = self.scored(scores)  # `known` holds other queries' pairs too: it is not copied
        return _scores([found.get(key) or self.known[key] for key in self.keys], scores.fallback)


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


def _scores(
    found: Sequence[CachedScore], fallback: str | None = None, *, remembered: bool = False
) -> Scores:
    cut = [place for place, one in enumerate(found) if one.truncated]
    scores = [one.score for one in found]
    return Scores(scores, truncated=cut, fallback=fallback, remembered=remembered)
