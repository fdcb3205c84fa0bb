"""Rows of tokens that one forward pass works on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, chain
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(eq=False, slots=True)
class Prefix:
    """Tokens with the keys and values that later tokens attend to.

    Source: prefix caching, as in vLLM and SGLang; here across the documents of one query
    and, for the first tokens that all queries share, across queries.
    """

    tokens: list[int]
    states: Tensor = field(default_factory=lambda: torch.empty(0))
    """Empty, then of shape (layers, 2, tokens, key heads, head width): keys after rotary
    embedding, and values.

    One tensor for all layers: one per layer would lie between the large temporary ones and
    fragment the heap, which then grows with every layer (measured, benchmarks/README.md).
    """

    def store(self, layer: int, layers: int, keys: Tensor, values: Tensor) -> None:
        """Copy a layer's keys and values, each of shape (tokens, key heads, head width)."""
        if not self.states.numel():
            self.states = keys.new_empty(layers, 2, *keys.shape)
        self.states[layer, 0], self.states[layer, 1] = keys, values

    def first(self, count: int) -> Prefix:
        """A copy of the first tokens, which keeps no reference to the rest."""
        return Prefix(self.tokens[:count], self.states[:, :, :count].clone())


@dataclass(eq=False, slots=True)
class Segment:
    """Neighbouring tokens of a batch that belong to one prompt.

    They attend to the first `start` tokens of `prefix` and, causally, to themselves; their
    positions continue from `start`.
    """

    ids: Sequence[int]
    prefix: Prefix | None = None
    start: int = 0
    stored_in: Prefix | None = None
    """Where the keys and values of a query's prefix go; `None` for a document."""


class Span(NamedTuple):
    """Rows of a batch and the rows of the keys that they may attend to."""

    first: int
    end: int
    first_key: int
    end_key: int


class PackedBatch:
    """Segments in one row, without padding.

    A segment's prefix stands earlier in the row or comes from an earlier batch.

    Args:
        segments: In the order of the row.
        device: Where the model is.
        padding: Rows after the segments that nothing attends to.
    """

    def __init__(self, segments: Sequence[Segment], device: torch.device, padding: int = 0) -> None:
        self.segments = segments
        self.device = device
        self._padding = [0] * padding

    @cached_property
    def ids(self) -> Tensor:
        """Shape (1, tokens)."""
        ids = chain.from_iterable(s.ids for s in self.segments)
        return self._tensor(chain(ids, self._padding)).unsqueeze(0)

    @cached_property
    def positions(self) -> Tensor:
        """Shape (1, tokens): the place of each token in its own prompt."""
        counted = (range(s.start, s.start + len(s.ids)) for s in self.segments)
        return self._tensor(chain(chain.from_iterable(counted), self._padding)).unsqueeze(0)

    @cached_property
    def spans(self) -> list[Span]:
        """One for each segment, over the keys that `extend` lines up."""
        rows = [0, *accumulate(len(s.ids) for s in self.segments)]
        keys = [0, *accumulate(s.start + len(s.ids) for s in self.segments)]
        return [Span(rows[i], rows[i + 1], keys[i], keys[i + 1]) for i in range(len(self.segments))]

    @cached_property
    def last_spans(self) -> list[Span]:
        """The spans of the last layer: the last token of each document, nothing of a prefix."""
        pairs = zip(self.segments, self.spans, strict=True)
        return [s._replace(first=s.end - (segment.stored_in is None)) for segment, s in pairs]

    def blocks(self, rows: int, *, last: bool) -> Iterator[tuple[slice, slice]]:
        """Blocks of at most so many rows, each with the keys that its last row attends to."""
        for span in self.last_spans if last else self.spans:
            for first in range(span.first, span.end, rows):
                end = min(first + rows, span.end)
                yield slice(first, end), slice(span.first_key, span.end_key - (span.end - end))

    @cached_property
    def ends(self) -> Tensor:
        """Shape (documents,): the row of each document's last token."""
        return self._tensor(s.end - 1 for s in self.last_spans if s.first < s.end)

    def extend(
        self, layer: int, layers: int, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Put each segment's prefix before its own keys and values, and store new prefixes.

        Args:
            layer: Which one, from 0.
            layers: How many there are.
            keys: Of the row, of shape (tokens, key heads, head width).
            values: The same, of the values.

        Returns:
            Both with the prefixes of all segments in them, for `spans` to cut.
        """
        stored = [prefix.states[layer] for prefix in self._earlier]
        keys = torch.cat([*(states[0] for states in stored), keys])
        values = torch.cat([*(states[1] for states in stored), values])
        keys, values = (rows.index_select(0, self._sources) for rows in (keys, values))
        for segment, span in zip(self.segments, self.spans, strict=True):
            if segment.stored_in is not None:
                seen = slice(span.first_key, span.end_key)
                segment.stored_in.store(layer, layers, keys[seen], values[seen])
        return keys, values

    @cached_property
    def _earlier(self) -> list[Prefix]:
        """The prefixes that earlier batches computed, each once."""
        new = {segment.stored_in for segment in self.segments}
        prefixes = dict.fromkeys(segment.prefix for segment in self.segments)
        return [prefix for prefix in prefixes if prefix is not None and prefix not in new]

    @cached_property
    def _sources(self) -> Tensor:
        """Where each row of the extended keys lies in `[earlier prefixes | the row]`."""
        rows: dict[Prefix | None, Sequence[int]] = {None: ()}
        count = 0
        for prefix in self._earlier:
            rows[prefix] = range(count, count + len(prefix.tokens))
            count += len(prefix.tokens)
        sources: list[int] = []
        for segment, span in zip(self.segments, self.spans, strict=True):
            own = [
                *rows[segment.prefix][: segment.start],
                *range(count + span.first, count + span.end),
            ]
            if segment.stored_in is not None:
                rows[segment.stored_in] = own
            sources += own
        return self._tensor(sources)

    def _tensor(self, numbers: object) -> Tensor:
        return torch.tensor([*numbers], dtype=torch.long, device=self.device)  # type: ignore[misc]
