"""Small passes as CUDA graphs: a GPU runs their kernels faster than Python can launch them."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import torch
from cachetools import LRUCache
from torch import Tensor

from qwen_rerank.printable import first_line
from qwen_rerank.scorers.local.gpu.fused_model import FusedModel
from qwen_rerank.scorers.local.gpu.layout import Layout, Shape

logger = logging.getLogger(__name__)

GRAPH_TOKENS = 4096
"""Larger passes keep a GPU busy without a graph."""
MOST = 32
"""Shapes to remember; the least recently used go first. A graph holds its kernels' arguments,
a few MB; memory for a pass is one for all graphs."""


class Memory(NamedTuple):
    """What graphs share, so that each uses the memory of the others."""

    pool: Any
    stream: torch.cuda.Stream

    @classmethod
    def on(cls, device: torch.device) -> Memory:
        """On a GPU."""
        stream: Any = torch.cuda.Stream  # torch says no types
        return cls(torch.cuda.graph_pool_handle(), stream(device))


class Graphs:
    """Runs small passes, from the second one of a shape on by its graph.

    To record a graph takes as long as several passes, so a shape that comes once gets none.

    Args:
        model: What a pass runs.
    """

    def __init__(self, model: FusedModel) -> None:
        self._model = model
        self._known: LRUCache[Shape, Graph | None] = LRUCache(MOST)
        """`None` for a shape that came once."""
        self._states: dict[tuple[str, int], Tensor] = {}
        self._memory: Memory | None = None
        self._usable = True

    def __call__(self, layout: Layout) -> Tensor:
        """What the model gives, valid until the next pass; new prefixes get their states."""
        shape = layout.shape
        earlier, new = self._buffer("earlier", shape.earlier), self._buffer("new", shape.new)
        layout.load(earlier)
        graph = self._graph(layout, earlier, new) if self._usable else None
        if graph is not None:
            hidden = graph(layout.numbers)
        else:
            numbers = layout.numbers.to(earlier.device, non_blocking=True)
            hidden = self._model(numbers, earlier, new, shape)
        layout.store(new)
        return hidden

    def _buffer(self, name: str, tokens: int) -> Tensor:
        """The same for all graphs, which run one at a time."""
        if (name, tokens) not in self._states:
            self._states[name, tokens] = self._model.states(tokens)
        return self._states[name, tokens]

    def _graph(self, layout: Layout, earlier: Tensor, new: Tensor) -> Graph | None:
        shape = layout.shape
        graph = self._known.get(shape)
        if graph is None and shape in self._known:
            graph = self._recorded(layout, earlier, new)
        self._known[shape] = graph
        return graph

    def _recorded(self, layout: Layout, earlier: Tensor, new: Tensor) -> Graph | None:
        try:
            self._memory = self._memory or Memory.on(earlier.device)
            return Graph(self._model, layout, earlier, new, self._memory)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self._usable = False
            logger.warning("no CUDA graphs, so small passes take longer: %s", first_line(error))
            return None


class Graph:
    """One recorded pass, over its own numbers and given states.

    Args:
        model: What the pass runs.
        layout: Of one pass of its shape.
        earlier: See `FusedModel`.
        new: The same.
        memory: Each graph in it overwrites what the others gave.
    """

    def __init__(
        self, model: FusedModel, layout: Layout, earlier: Tensor, new: Tensor, memory: Memory
    ) -> None:
        self._numbers = layout.numbers.to(earlier.device)
        self._graph = torch.cuda.CUDAGraph()
        # other threads may use the GPU meanwhile
        with torch.cuda.graph(self._graph, *memory, capture_error_mode="thread_local"):
            self._hidden = model(self._numbers, earlier, new, layout.shape)

    def __call__(self, numbers: Tensor) -> Tensor:
        """Replay it over the numbers of another pass of its shape."""
        self._numbers.copy_(numbers, non_blocking=True)
        self._graph.replay()
        return self._hidden
