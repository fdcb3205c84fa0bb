"""How much one server takes in one request, learned from its refusals."""

from __future__ import annotations

import time
from collections.abc import Iterable

from qwen_rerank.image import without_images
from qwen_rerank.scorers.remote.rejection import Rejection
from qwen_rerank.token_size import BYTES_PER_TOKEN, DENSE_BYTES_PER_TOKEN
from qwen_rerank.types import RerankRequest

KEPT_SECONDS = 60.0
"""How long a refusal is remembered; the server may have been busy, or change."""
USUAL_TOKENS = 512
"""What servers take that don't say how much: llama.cpp's default, and all of BERT's."""
TEMPLATE_BYTES = 400
"""Of the prompt around query and document; Qwen3's has about 90 tokens."""
SHORTEST_BYTES = 200
"""A document is not cut to less than this."""


class LearnedLimit:
    """The largest size that is known to pass, or a likely one after a refusal.

    What passes beyond the limit lifts it, and so does a minute without another refusal.
    """

    def __init__(self) -> None:
        self._refused: int | None = None
        self.likely = 0
        """A size that should pass after the last refusal."""
        self._passed = 0
        self._ends = 0.0

    @property
    def most(self) -> int | None:
        """The limit; `None` while nothing is known."""
        if self._refused is None or time.monotonic() >= self._ends:
            return None
        return max(self._passed, self.likely)

    def refused(self, size: int, likely: int | None = None) -> None:
        """Note that this size was too large.

        Args:
            size: What was refused.
            likely: What should pass instead; half of the size if nothing is known.
        """
        if self.most is None:
            self._refused = None
        if self._refused is None or size <= self._refused:
            self._refused, self.likely = size, (size + 1) // 2 if likely is None else likely
        self._ends = time.monotonic() + KEPT_SECONDS
        if self._passed >= size:
            self._passed = 0

    def passed(self, size: int) -> None:
        """Note that this size went through."""
        if self._refused is not None and size >= self._refused:
            self._refused = None
        self._passed = max(self._passed, size)


class RequestLimits:
    """What one server takes, as far as it is known.

    Args:
        max_length: Tokens of the whole prompt that a document may fill.
    """

    def __init__(self, max_length: int) -> None:
        self._max_length = max_length
        self._documents = LearnedLimit()
        self._bytes = LearnedLimit()
        self._pair_bytes = LearnedLimit()
        self.takes_blanks = True
        """Whether the server takes documents without any text."""
        self.takes_images = False
        """Whether images can be sent in the server's dialect."""

    @property
    def documents(self) -> int | None:
        """The most documents in one request; `None` while nothing is known."""
        return self._documents.most

    @property
    def bytes(self) -> int | None:
        """The most bytes of query and documents in one request; `None` while nothing is known."""
        return self._bytes.most

    def kept_bytes(self, query: str, document: str) -> int:
        """How many bytes of a document to send with this query.

        A document within the learned limit is left as it is. A longer one is cut to what
        probably passes, which is less where texts with few tokens have lifted the limit.
        """
        beside = size_of(query)
        kept = self._max_length * BYTES_PER_TOKEN - TEMPLATE_BYTES
        most = self._pair_bytes.most
        if most is not None and beside + size_of(document) > most:
            kept = min(kept, self._pair_bytes.likely)
        return max(SHORTEST_BYTES, kept - beside)

    def passed(self, request: RerankRequest) -> None:
        """Note that a request went through."""
        self._documents.passed(len(request.documents))
        self._bytes.passed(size_of(request.query, *request.documents))
        self._pair_bytes.passed(longest_pair(request))

    def too_large(self, request: RerankRequest, rejection: Rejection) -> None:
        """Note that a request was too large, and that its halves were not."""
        if rejection.cause == "count":
            self._documents.refused(len(request.documents))
        else:
            self._bytes.refused(size_of(request.query, *request.documents))

    def too_long(self, request: RerankRequest, rejection: Rejection) -> None:
        """Note that the longest document of a request, or more of them, were too long."""
        size = longest_pair(request)
        self._pair_bytes.refused(size, _likely_bytes(size, rejection))


def smallest(limits: Iterable[int | None]) -> int | None:
    """The smallest limit that is known."""
    return min((limit for limit in limits if limit is not None), default=None)


def size_of(*texts: str) -> int:
    """The bytes of some texts; the rest of a request is about the same each time."""
    return sum(len(text.encode()) for text in texts)


def longest_pair(request: RerankRequest) -> int:
    """The bytes of the query and the longest text."""
    texts = without_images(request).documents
    return size_of(request.query) + max(map(size_of, texts), default=0)


def _likely_bytes(size: int, rejection: Rejection) -> int:
    """The bytes of a pair that should pass, from what the server says about its limit."""
    if rejection.cause == "bytes":
        return size // 2
    if rejection.limit is None:
        return min(size // 2, USUAL_TOKENS * DENSE_BYTES_PER_TOKEN - TEMPLATE_BYTES)
    most = rejection.limit * BYTES_PER_TOKEN
    if rejection.given is not None:  # which may be said of a shorter document than the longest
        most = min(most, int(0.9 * (size + TEMPLATE_BYTES) * rejection.limit / rejection.given))
    else:
        most = min(9 * size // 10, rejection.limit * DENSE_BYTES_PER_TOKEN)
    return most - TEMPLATE_BYTES
