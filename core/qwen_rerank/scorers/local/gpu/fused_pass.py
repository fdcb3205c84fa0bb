"""One pass of the engine on a GPU: segments in, hidden states out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from qwen_rerank.scorers.local.batch import Segment
from qwen_rerank.scorers.local.gpu import graphs
from qwen_rerank.scorers.local.gpu.fused_model import FusedModel
from qwen_rerank.scorers.local.gpu.layout import Layout


class FusedPass:
    """Runs segments through a `FusedModel`, few of them through its graphs.

    Args:
        backbone: See `FusedModel`.
    """

    def __init__(self, backbone: Any) -> None:
        self._device: torch.device = backbone.embed_tokens.weight.device
        self._model = FusedModel(backbone)
        self._graphs = graphs.Graphs(self._model)

    def __call__(self, segments: Sequence[Segment]) -> Tensor:
        """The hidden state at the end of each document, of shape (documents, hidden).

        New prefixes get their keys and values.
        """
        pinned = self._device.type == "cuda"
        layout = Layout(segments, graph_tokens=graphs.GRAPH_TOKENS, pinned=pinned)
        hidden = self._graphs(layout) if layout.small else self._large(layout)
        return hidden[: layout.documents]

    def _large(self, layout: Layout) -> Tensor:
        earlier, new = map(self._model.states, (layout.shape.earlier, layout.shape.new))
        layout.load(earlier)
        numbers = layout.numbers.to(self._device, non_blocking=True)
        hidden = self._model(numbers, earlier, new, layout.shape)
        layout.store(new)
        return hidden
