"""Attention over packed batches, under transformers' own layers.

transformers lets a model's attention function be chosen by name
(`AttentionInterface.register`, "Attention Interface" in its documentation); ours looks up
which batch is running and lets each segment attend to its prefix and itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from qwen_rerank.scorers.local.batch import PackedBatch
from qwen_rerank.scorers.local.cpu.bf16_attention import fused

PACKED_ATTENTION = "qwen_rerank_packs"
BLOCK = 64
"""Rows whose scores are worked out at once on a CPU: few enough to stay in its cache."""

_running: ContextVar[PackedBatch] = ContextVar("qwen_rerank_batch")


@contextmanager
def running(batch: PackedBatch) -> Iterator[None]:
    """Let the model's layers, called inside, work on this batch; each thread has its own."""
    token = _running.set(batch)
    try:
        yield
    finally:
        _running.reset(token)


def current_batch() -> PackedBatch:
    """The batch of the pass that this thread runs."""
    return _running.get()


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001 - the interface names it; batches need none
    *,
    scaling: float,
    **_: Any,
) -> tuple[Tensor, None]:
    """What transformers calls in each layer.

    Args:
        module: The layer's attention, which knows its place.
        query: Shape (1, heads, tokens, head width).
        key: Shape (1, key heads, tokens, head width).
        value: The same.
        attention_mask: None; the batch says what attends to what.
        scaling: Of the scores before the softmax.

    Returns:
        Shape (1, tokens, heads, head width), and no weights.
    """
    batch = current_batch()
    layer: Any = module.layer_idx
    config: Any = module.config
    layers: int = config.num_hidden_layers
    keys, values = batch.extend(layer, layers, key[0].transpose(0, 1), value[0].transpose(0, 1))
    last = layer == layers - 1
    work = fused if query.device.type == "cpu" and query.dtype == torch.bfloat16 else _blockwise
    return work(batch, query[0].transpose(0, 1), keys, values, scaling, last).unsqueeze(0), None


AttentionInterface.register(PACKED_ATTENTION, attend)


def _blockwise(  # noqa: PLR0917 - both kernels are called alike, in one place
    batch: PackedBatch, query: Tensor, keys: Tensor, values: Tensor, scaling: float, last: bool
) -> Tensor:
    """Segment by segment in blocks of rows; a block multiplies only keys that it may see."""
    seen = torch.zeros_like(query)
    future = query.new_full((BLOCK, BLOCK), float("-inf")).triu(1)
    for rows, visible in batch.blocks(BLOCK, last=last):
        seen[rows] = _block(query[rows], keys[visible], values[visible], scaling, future)
    return seen


def _block(query: Tensor, keys: Tensor, values: Tensor, scaling: float, future: Tensor) -> Tensor:
    """Rows that end where the keys end.

    The query heads that share a key head stand below each other as one matrix, so that
    grouped-query attention (arXiv 2305.13245) repeats no keys.
    """
    rows, heads, width = query.shape
    grouped = query.transpose(0, 1).reshape(keys.shape[1], -1, width)
    nothing = query.new_empty(1)
    scores = torch.baddbmm(nothing, grouped, keys.permute(1, 2, 0), beta=0, alpha=scaling)
    scores.view(heads, rows, -1)[:, :, -rows:] += future[:rows, :rows]
    weights = scores.softmax(-1, dtype=torch.float32).to(query.dtype)
    return torch.bmm(weights, values.transpose(0, 1)).view(heads, rows, width).transpose(0, 1)
