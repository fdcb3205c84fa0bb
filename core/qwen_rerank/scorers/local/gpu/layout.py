"""The numbers of a packed pass in one array, so that one copy brings them to a GPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qwen_rerank.scorers.local.batch import Prefix, Segment

Numbers = NDArray[np.integer[Any]]
PARTS = ("ids", "positions", "sources", "rows", "last_rows", "keys", "ends", "new")
"""Of a layout's numbers, in their order; see `Layout.numbers`."""
STARTS = frozenset({"rows", "last_rows", "keys"})
ALIGNED = 8
"""The size of each part is a multiple of this, so that compiled kernels find it aligned."""


class Shape(NamedTuple):
    """The sizes of the arrays of a pass, padding included."""

    tokens: int
    keys: int
    starts: int
    """Segments, and one more."""
    documents: int
    new: int
    """Keys to keep for later passes."""
    earlier: int
    """Keys that earlier passes kept."""
    most_rows: int
    """Of a segment."""
    most_keys: int

    @property
    def sizes(self) -> list[int]:
        """Of each of the parts."""
        return [self.tokens, self.tokens, self.keys, *[self.starts] * 3, self.documents, self.new]

    def aligned(self) -> Shape:
        """Each size rounded up to a multiple of `ALIGNED`, and none 0: torch compiles that anew."""
        return Shape(*(max(ALIGNED, -(-size // ALIGNED) * ALIGNED) for size in self))

    def rounded(self) -> Shape:
        """The sizes rounded up to one of few shapes, with up to a quarter more tokens."""
        keys, starts = _power(self.keys), _power(self.starts)
        new, earlier, most_rows = map(_power, (self.new, self.earlier, self.most_rows))
        step = max(64, _power(self.tokens) // 8)
        tokens = -(-self.tokens // step) * step
        return Shape(tokens, keys, starts, starts, new, earlier, most_rows, keys)


class Layout:
    """What stands where in a pass.

    Args:
        segments: In the order of the row.
        graph_tokens: Up to so many tokens, the shape is one of few: room for a graph.
        pinned: Whether the numbers lie where a GPU can read them.
    """

    def __init__(
        self, segments: Sequence[Segment], *, graph_tokens: int = 0, pinned: bool = False
    ) -> None:
        self._segments = segments
        self._lengths = np.array([len(s.ids) for s in segments])
        self._starts = np.array([s.start for s in segments])
        self._is_document = np.array([s.stored_in is None for s in segments])
        self._row_ends = self._lengths.cumsum()
        self._key_ends = (self._lengths + self._starts).cumsum()
        self._stored = [(i, s.stored_in) for i, s in enumerate(segments) if s.stored_in is not None]
        new = {prefix for _, prefix in self._stored}
        found = dict.fromkeys(s.prefix for s in segments)
        self._earlier = [p for p in found if p is not None and p not in new]
        self.documents = int(self._is_document.sum())
        exact = self._shape()
        kept = 8 * max(exact.new, exact.earlier)  # far more of them would need much memory
        self.small = max(exact.tokens, kept) <= graph_tokens
        self.shape = exact.rounded() if self.small else exact.aligned()
        self.numbers = torch.zeros(sum(self.shape.sizes), dtype=torch.int32, pin_memory=pinned)
        """Token ids; their positions in their prompts; for each key, where it lies in `[earlier
        prefixes | the row]`; where segments start among the rows, among the last layer's rows and
        among the keys; rows of documents' ends; keys of new prefixes."""
        self._fill()

    def load(self, earlier: Tensor) -> None:
        """Write what earlier passes kept: (layers, earlier keys, 2, key heads, head width)."""
        first = 0
        for prefix in self._earlier:
            end = first + len(prefix.tokens)
            earlier[:, first:end] = prefix.states.transpose(1, 2)
            first = end

    def store(self, new: Tensor) -> None:
        """Give new prefixes their states: (layers, new keys, 2, key heads, head width)."""
        first = 0
        for _, prefix in self._stored:
            end = first + len(prefix.tokens)
            states = new[:, first:end].transpose(1, 2)
            prefix.states = states.clone(memory_format=torch.contiguous_format)
            first = end

    def _shape(self) -> Shape:
        spans = self._lengths + self._starts
        return Shape(
            tokens=int(self._row_ends[-1]),
            keys=int(self._key_ends[-1]),
            starts=len(spans) + 1,
            documents=self.documents,
            new=sum(len(prefix.tokens) for _, prefix in self._stored),
            earlier=sum(len(prefix.tokens) for prefix in self._earlier),
            most_rows=int(self._lengths.max()),
            most_keys=int(spans.max()),
        )

    def _fill(self) -> None:
        """Write each part; room that is left repeats the last start or stays zero."""
        places = np.split(self.numbers.numpy(), np.cumsum(self.shape.sizes)[:-1])
        for name, place, part in zip(PARTS, places, self._parts(), strict=True):
            place[: len(part)] = part
            if name in STARTS:
                place[len(part) :] = part[-1]

    def _parts(self) -> Iterator[Numbers]:
        tokens, starts = int(self._row_ends[-1]), self._row_ends - self._lengths
        yield np.fromiter(chain.from_iterable(s.ids for s in self._segments), np.int32, tokens)
        yield np.arange(tokens) - np.repeat(starts - self._starts, self._lengths)
        yield np.concatenate(list(self._sources()))
        for ends in (self._row_ends, self._is_document.cumsum(), self._key_ends):
            yield np.concatenate([[0], ends])
        yield self._row_ends[self._is_document] - 1
        kept = [np.arange(self._key_ends[i] - len(p.tokens), self._key_ends[i])
                for i, p in self._stored]  # fmt: skip
        yield np.concatenate([np.empty(0, np.int32), *kept])

    def _sources(self) -> Iterator[Numbers]:
        """Where each segment's keys lie in `[earlier prefixes | the row]`."""
        rows: dict[Prefix | None, Numbers] = {None: np.empty(0, np.int32)}
        first = 0
        for prefix in self._earlier:
            rows[prefix] = np.arange(first, first + len(prefix.tokens))
            first += len(prefix.tokens)
        ends = self._row_ends + self.shape.earlier
        for segment, count, end in zip(self._segments, self._lengths, ends, strict=True):
            own = np.concatenate([rows[segment.prefix][: segment.start],
                                  np.arange(end - count, end)])  # fmt: skip
            if segment.stored_in is not None:
                rows[segment.stored_in] = own
            yield own


def _power(size: int) -> int:
    """The next power of two, at least 128."""
    return max(128, 1 << (size - 1).bit_length())
