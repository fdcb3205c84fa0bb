"""Rows of tokens that one forward pass works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, chain
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(eq=False, slots=True)
class Past:
    """The keys and values of tokens that later tokens attend to: a query's head.

    Source: prefix caching, as in vLLM and SGLang; here across the documents of one query
    and, for the words that all queries share, across queries.
    """

    tokens: list[int]
    kept: Tensor = field(default_factory=lambda: torch.empty(0))
    """Empty, then of shape (layers, 2, tokens, key heads, head width): keys, positions turned in,
    and values.

    One tensor for all layers: a small one left behind by each would lie between the large ones
    that come and go, and the heap would grow with every layer (measured, benchmarks/README.md).
    """

    def keep(self, layer: int, layers: int, keys: Tensor, values: Tensor) -> None:
        """Copy a layer's keys and values, each of shape (tokens, key heads, head width)."""
        if not self.kept.numel():
            self.kept = keys.new_empty(layers, 2, *keys.shape)
        self.kept[layer, 0], self.kept[layer, 1] = keys, values

    def first(self, count: int) -> Past:
        """A copy of the first tokens, which does not hold on to the rest."""
        return Past(self.tokens[:count], self.kept[:, :, :count].clone())


@dataclass(eq=False, slots=True)
class Segment:
    """Neighbouring tokens of a pack that belong to one prompt.

    They attend to the first `start` tokens of `past` and, causally, to themselves; their
    positions go on from `start`.
    """

    ids: Sequence[int]
    past: Past | None = None
    start: int = 0
    kept: Past | None = None
    """Where a head's keys and values go; `None` for a tail."""


class Span(NamedTuple):
    """Rows of a pack and the rows of the keys that they may look at."""

    first: int
    end: int
    first_key: int
    end_key: int


class Pack:
    """Segments in one row, without padding; a segment's past stands before it or before all.

    Args:
        segments: In the order of the row.
        device: Where the model is.
        rest: Rows behind the segments that nobody looks at.
    """

    def __init__(self, segments: Sequence[Segment], device: torch.device, rest: int = 0) -> None:
        self.segments = segments
        self.device = device
        self._rest = [0] * rest

    @cached_property
    def ids(self) -> Tensor:
        """Shape (1, tokens)."""
        ids = chain.from_iterable(s.ids for s in self.segments)
        return self._tensor(chain(ids, self._rest)).unsqueeze(0)

    @cached_property
    def positions(self) -> Tensor:
        """Shape (1, tokens): the place of each token in its own prompt."""
        counted = (range(s.start, s.start + len(s.ids)) for s in self.segments)
        return self._tensor(chain(chain.from_iterable(counted), self._rest)).unsqueeze(0)

    @cached_property
    def spans(self) -> list[Span]:
        """One for each segment, over the keys that `extend` lines up."""
        rows = [0, *accumulate(len(s.ids) for s in self.segments)]
        keys = [0, *accumulate(s.start + len(s.ids) for s in self.segments)]
        return [Span(rows[i], rows[i + 1], keys[i], keys[i + 1]) for i in range(len(self.segments))]

    @cached_property
    def last_spans(self) -> list[Span]:
        """The spans of the last layer: of each tail only the end, of each head nothing."""
        pairs = zip(self.segments, self.spans, strict=True)
        return [s._replace(first=s.end - (segment.kept is None)) for segment, s in pairs]

    @cached_property
    def ends(self) -> Tensor:
        """Shape (tails,): the row of each tail's last token."""
        return self._tensor(s.end - 1 for s in self.last_spans if s.first < s.end)

    def extend(
        self, layer: int, layers: int, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Put each segment's past before its own keys and values, and keep those of heads.

        Args:
            layer: Which one, from 0.
            layers: How many there are.
            keys: Of the row, of shape (tokens, key heads, head width).
            values: The same, of the values.

        Returns:
            Both with all segments' pasts in them, for `spans` to cut.
        """
        pasts = [past.kept[layer] for past in self._outside]
        keys = torch.cat([*(past[0] for past in pasts), keys])
        values = torch.cat([*(past[1] for past in pasts), values])
        keys, values = (rows.index_select(0, self._sources) for rows in (keys, values))
        for segment, span in zip(self.segments, self.spans, strict=True):
            if segment.kept is not None:
                seen = slice(span.first_key, span.end_key)
                segment.kept.keep(layer, layers, keys[seen], values[seen])
        return keys, values

    @cached_property
    def _outside(self) -> list[Past]:
        """The pasts that earlier packs left behind, each once."""
        inside = {segment.kept for segment in self.segments}
        pasts = dict.fromkeys(segment.past for segment in self.segments)
        return [past for past in pasts if past is not None and past not in inside]

    @cached_property
    def _sources(self) -> Tensor:
        """Where each row of the extended keys lies in `[pasts from outside | the row]`."""
        rows: dict[Past | None, Sequence[int]] = {None: ()}
        count = 0
        for past in self._outside:
            rows[past] = range(count, count + len(past.tokens))
            count += len(past.tokens)
        sources: list[int] = []
        for segment, span in zip(self.segments, self.spans, strict=True):
            own = [
                *rows[segment.past][: segment.start],
                *range(count + span.first, count + span.end),
            ]
            if segment.kept is not None:
                rows[segment.kept] = own
            sources += own
        return self._tensor(sources)

    def _tensor(self, numbers: object) -> Tensor:
        return torch.tensor([*numbers], dtype=torch.long, device=self.device)  # type: ignore[misc]
