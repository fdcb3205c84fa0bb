"""Attention in bf16 by torch's fused kernel, which uses AMX where the processor has it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own documentation calls it so

from qwen_rerank.scorers.local.batch import PackedBatch

ROWS = 512
"""Rows of a document to compute at once: later rows see more keys than earlier ones."""


def fused(  # noqa: PLR0917 - called like the other kernels
    batch: PackedBatch, query: Tensor, keys: Tensor, values: Tensor, scaling: float, last: bool
) -> Tensor:
    """Segment by segment; see `attend` for the shapes, here without the first dimension."""
    seen = torch.zeros_like(query)
    mask = _mask(query, max(span.end_key - span.first_key for span in batch.spans))
    for rows, visible in batch.blocks(ROWS, last=last):
        q, k, v = (part.transpose(0, 1) for part in (query[rows], keys[visible], values[visible]))
        unseen = mask[rows.start - rows.stop :, visible.start - visible.stop :]
        seen[rows] = F.scaled_dot_product_attention(
            q, k, v, attn_mask=unseen, scale=scaling, enable_gqa=True
        ).transpose(0, 1)
    return seen


def _mask(query: Tensor, longest: int) -> Tensor:
    """For rows that end where the keys end: its last rows and columns fit every block."""
    future = query.new_full((ROWS, max(longest, ROWS)), float("-inf"))
    return future.triu_(future.shape[1] - ROWS + 1)
