"""Keeps the prefixes of the queries that are being scored."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import takewhile

from qwen_rerank.scorers.local.batch import Prefix, Segment

MAX_TOKENS = 1024
"""The most tokens to keep, of about ten queries: 230 MB for the 0.6B model in fp32."""
SHARED_TOKENS = 128
"""The most tokens to keep while no query waits: the words that all queries share."""
MIN_SHARED = 16
"""Fewer shared tokens are computed again."""


class PrefixCache:
    """The least recently used prefixes go first; a query whose prefix is gone computes it again."""

    def __init__(self) -> None:
        self._prefixes: OrderedDict[tuple[int, ...], Prefix] = OrderedDict()
        self.latest: Prefix | None = None
        """The one computed last; its first tokens serve other queries too."""

    def segment(self, tokens: list[int], latest: Prefix | None) -> Segment:
        """What is still to compute of a query's prefix; without tokens, it is all there.

        Args:
            tokens: Of the prefix.
            latest: The prefix that stands before it in the same batch, or `self.latest`.
        """
        known = self._prefixes.get(tuple(tokens))
        if known is not None:
            self._prefixes.move_to_end(tuple(tokens))
            return Segment((), known, len(tokens))
        shared = _common(latest.tokens, tokens) if latest is not None else 0
        if shared < MIN_SHARED:
            latest, shared = None, 0
        if shared == len(tokens):
            return Segment((), latest, shared)
        return Segment(tokens[shared:], latest, shared, Prefix(tokens))

    def add(self, prefix: Prefix) -> None:
        """Keep a prefix whose keys and values have been computed."""
        self._prefixes[tuple(prefix.tokens)] = self.latest = prefix
        total = sum(map(len, self._prefixes))
        while total > MAX_TOKENS and len(self._prefixes) > 1:
            total -= len(self._prefixes.popitem(last=False)[0])

    def shrink(self) -> None:
        """Keep only the first tokens of the latest prefix, for the next query."""
        self._prefixes.clear()
        latest, self.latest = self.latest, None
        if latest is not None:
            long = len(latest.tokens) > SHARED_TOKENS
            self.latest = latest.first(SHARED_TOKENS) if long else latest


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    """How many first tokens are equal."""
    pairs = zip(left, right, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
