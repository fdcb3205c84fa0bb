"""FlashAttention over segments of any length, torch's own kernel (arXiv 2307.08691)."""

from __future__ import annotations

from functools import cache
from inspect import signature
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Bounds(NamedTuple):
    """Where segments lie, as the kernel takes it."""

    rows: Tensor
    """Where segments start among the rows and where the last one ends, int32 (segments + 1,)."""
    keys: Tensor
    """The same among the keys."""
    most_rows: int
    most_keys: int


def varlen_attention(
    query: Tensor, keys: Tensor, values: Tensor, bounds: Bounds, scaling: float
) -> Tensor:
    """Each segment's rows to its keys; a segment's last row sees its last key.

    Args:
        query: Shape (rows, heads, head width).
        keys: Shape (keys, key heads, head width).
        values: The same.
        bounds: Of the segments.
        scaling: Of the scores before the softmax.
    """
    from torch.nn.attention.varlen import varlen_attn

    kernel: Any = varlen_attn  # its signature differs between releases
    causal = {"window_size": (-1, 0), **_grouped()}
    seen: Tensor = kernel(query, keys, values, *bounds, scale=scaling, **causal)
    return seen


@cache
def _grouped() -> dict[str, bool]:
    """Torch 2.11 lets query heads share a key head by itself; later releases need an argument."""
    from torch.nn.attention.varlen import varlen_attn

    return {"enable_gqa": True} if "enable_gqa" in signature(varlen_attn).parameters else {}


@cache
def has_varlen(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether torch has the kernel for this device, with a scale and a window (torch 2.11)."""
    if device.type != "cuda" or dtype == torch.float32:
        return False
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return False
    complete = {"scale", "window_size"} <= signature(varlen_attn).parameters.keys()
    return complete and torch.cuda.get_device_capability(device) >= (8, 0)
