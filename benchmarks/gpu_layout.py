"""The numbers of a packed pass in one array, so that one copy brings them to a GPU."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qwen_rerank.scorers.local.batch import Prefix, Segment

Numbers = NDArray[np.int32]
PARTS = ("ids", "positions", "sources", "rows", "last_rows", "keys", "ends", "new")
"""Of a layout's numbers, in their order."""


class Shape(NamedTuple):
    """How large everything in a pass is."""

    tokens: int
    keys: int
    segments: int
    documents: int
    new: int
    """Rows of keys to keep for later passes."""
    earlier: int
    """Rows of keys that earlier passes kept."""
    most_rows: int
    most_keys: int

    @property
    def sizes(self) -> list[int]:
        """Of each of the parts."""
        starts = self.segments + 1
        return [self.tokens, self.tokens, self.keys, *[starts] * 3, self.documents, self.new]

    def rounded(self) -> Shape:
        """One of few, which passes of about this size share."""
        return Shape(*map(_rounded, self))


class Layout:
    """What stands where in a pass.

    Args:
        segments: In the order of the row.
        rounded: Whether the shape is one of few; what is added, nothing reads.
    """

    def __init__(self, segments: Sequence[Segment], *, rounded: bool) -> None:
        self.segments, self.rounded = segments, rounded
        lengths = [len(s.ids) for s in segments]
        spans = [s.start + len(s.ids) for s in segments]
        self._stored = [(i, s.stored_in) for i, s in enumerate(segments) if s.stored_in is not None]
        self._row_starts = [0, *accumulate(lengths)]
        self._key_starts = [0, *accumulate(spans)]
        new = {prefix for _, prefix in self._stored}
        found = dict.fromkeys(s.prefix for s in segments)
        self.earlier = [p for p in found if p is not None and p not in new]
        self.documents = len(segments) - len(self._stored)
        shape = Shape(
            self._row_starts[-1],
            self._key_starts[-1],
            len(segments),
            self.documents,
            sum(spans[i] for i, _ in self._stored),
            sum(len(p.tokens) for p in self.earlier),
            max(lengths),
            max(spans),
        )
        self.shape = shape.rounded() if rounded else shape
        self.numbers = self._numbers()

    def store(self, new: Tensor) -> None:
        """Give new prefixes their states, of shape (layers, new tokens, 2, heads, width)."""
        first = 0
        for _, prefix in self._stored:
            end = first + len(prefix.tokens)
            states = new[:, first:end].transpose(1, 2)
            prefix.states = states.clone(memory_format=torch.contiguous_format)
            first = end

    def _numbers(self) -> Tensor:
        is_document = [s.stored_in is None for s in self.segments]
        pairs = zip(self._row_starts[1:], is_document, strict=True)
        ends = [end - 1 for end, scored in pairs if scored]
        new = [range(self._key_starts[i], self._key_starts[i + 1]) for i, _ in self._stored]
        parts = [
            chain.from_iterable(s.ids for s in self.segments),
            chain.from_iterable(range(s.start, s.start + len(s.ids)) for s in self.segments),
            chain.from_iterable(self._sources()),
            self._row_starts,
            accumulate(is_document, initial=0),
            self._key_starts,
            ends,
            chain.from_iterable(new),
        ]
        numbers = np.zeros(sum(self.shape.sizes), np.int32)
        for name, place, part in zip(
            PARTS, np.split(numbers, np.cumsum(self.shape.sizes)[:-1]), parts, strict=True
        ):
            _fill(place, part, repeat=name in {"rows", "last_rows", "keys"})
        tensor = torch.from_numpy(numbers)
        return tensor.pin_memory() if torch.cuda.is_available() else tensor

    def _sources(self) -> Iterable[Sequence[int]]:
        """Where each segment's keys lie in `[earlier prefixes | the row]`."""
        rows: dict[Prefix | None, list[int]] = {None: []}
        first = 0
        for prefix in self.earlier:
            rows[prefix] = list(range(first, first + len(prefix.tokens)))
            first += len(prefix.tokens)
        for segment, row, end in zip(
            self.segments, self._row_starts, self._row_starts[1:], strict=False
        ):
            base = self.shape.earlier
            own = [*rows[segment.prefix][: segment.start], *range(base + row, base + end)]
            if segment.stored_in is not None:
                rows[segment.stored_in] = own
            yield own


def _fill(place: Numbers, part: Iterable[int], *, repeat: bool) -> None:
    """Write a part; room that is left repeats its last number or stays zero."""
    given = np.fromiter(part, np.int32)
    place[: len(given)] = given
    if repeat:
        place[len(given) :] = given[-1]


def _rounded(size: int) -> int:
    """Up to an eighth more, at least to a multiple of 64."""
    step = max(64, 1 << max(0, size.bit_length() - 4))
    return -(-size // step) * step
