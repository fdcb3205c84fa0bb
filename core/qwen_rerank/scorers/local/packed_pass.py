"""One pass of the engine through transformers' layers: segments in, hidden states out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from qwen_rerank.scorers.local.attention import PACKED_ATTENTION, running
from qwen_rerank.scorers.local.batch import PackedBatch, Segment
from qwen_rerank.scorers.local.cpu.packed_linear import pack_linears, padded
from qwen_rerank.scorers.local.last_token import only_last_tokens


class PackedPass:
    """Runs segments in one row, without padding but for what packed weights ask for.

    Args:
        backbone: transformers' own `Qwen3Model`, which is changed for these passes.
    """

    def __init__(self, backbone: Any) -> None:
        backbone.set_attn_implementation(PACKED_ATTENTION)
        only_last_tokens(backbone)
        self.weights_packed = pack_linears(backbone)
        self._backbone = backbone
        self._device: torch.device = backbone.embed_tokens.weight.device

    def __call__(self, segments: Sequence[Segment]) -> Tensor:
        """The hidden state at the end of each document, of shape (documents, hidden).

        New prefixes get their keys and values.
        """
        tokens = sum(len(s.ids) for s in segments)
        padding = padded(tokens) - tokens if self.weights_packed else 0
        batch = PackedBatch(segments, self._device, padding)
        with running(batch):
            hidden: Tensor = self._backbone(
                input_ids=batch.ids, position_ids=batch.positions, use_cache=False
            ).last_hidden_state
        return hidden[0, batch.ends]
