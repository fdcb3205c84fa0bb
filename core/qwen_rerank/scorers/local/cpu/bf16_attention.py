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
    spans = batch.last_spans if last else batch.spans
    seen = torch.zeros_like(query)
    mask = _mask(query, max(span.end_key - span.first_key for span in spans))
    for span in spans:
        for first in range(span.first, span.end, ROWS):
            end = min(first + ROWS, span.end)
            visible = slice(span.first_key, span.end_key - (span.end - end))
            q, k, v = (
                part.transpose(0, 1) for part in (query[first:end], keys[visible], values[visible])
            )
            unseen = mask[first - end :, visible.start - visible.stop :]
            seen[first:end] = F.scaled_dot_product_attention(
                q, k, v, attn_mask=unseen, scale=scaling, enable_gqa=True
            ).transpose(0, 1)
    return seen


def _mask(query: Tensor, longest: int) -> Tensor:
    """For rows that end where the keys end: its last rows and columns fit every block."""
    future = query.new_full((ROWS, max(longest, ROWS)), float("-inf"))
    return future.triu_(future.shape[1] - ROWS + 1)
