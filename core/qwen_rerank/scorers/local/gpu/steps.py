"""What a layer does between its products, compiled into few kernels where torch can compile.

Uncompiled, they took more than three times as long as the products on an H100, see
benchmarks/README.md.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own documentation calls it so
from torch import Tensor

from qwen_rerank.printable import first_line

logger = logging.getLogger(__name__)

TRIED = (64, 96)
"""Rows that steps are compiled with: after a second number, they serve every other one. No two
tensors may be the same one, or they are compiled for that."""


class Heads(NamedTuple):
    """How queries and keys are made of a product."""

    query_norm: Tensor | None
    """Weights of the norm; `None` in models without one."""
    key_norm: Tensor | None
    eps: float
    heads: int
    key_heads: int


class Steps(NamedTuple):
    """The steps, compiled or not."""

    add_norm: Callable[[Tensor, Tensor, Tensor, float], tuple[Tensor, Tensor]]
    rotate: Callable[..., tuple[Tensor, Tensor]]
    gate: Callable[[Tensor], Tensor]


def add_norm(hidden: Tensor, change: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The sum, and its rows by their root mean square (arXiv 1910.07467)."""
    total = hidden + change
    return total, _norm(total, weight, eps)


def rotate(  # noqa: PLR0917 - compiled functions are called by position
    qkv: Tensor,
    cos: Tensor,
    sin: Tensor,
    earlier: Tensor,
    sources: Tensor,
    query_norm: Tensor | None,
    key_norm: Tensor | None,
    eps: float,
    heads: int,
    key_heads: int,
) -> tuple[Tensor, Tensor]:
    """Norms and rotary embedding (arXiv 2104.09864), and the keys of all segments in a row.

    Args:
        qkv: Shape (tokens, heads and twice the key heads, head width).
        cos: Shape (tokens, head width).
        sin: The same.
        earlier: Keys and values of earlier passes, shape (keys, 2, key heads, head width).
        sources: Where each key lies in `[earlier | tokens]`.
        query_norm: See `Heads`, here and below.
        key_norm: The same.
        eps: The same.
        heads: The same.
        key_heads: The same.

    Returns:
        Queries, shape (tokens, heads, head width), and keys with values as in `earlier`.
    """
    cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
    queries, keys, values = torch.split(qkv, [heads, key_heads, key_heads], 1)
    query = _turn(_norm(queries, query_norm, eps), cos, sin)
    key = _turn(_norm(keys, key_norm, eps), cos, sin)
    own = torch.stack([key, values], 1)
    return query, torch.cat([earlier, own]).index_select(0, sources)


def gate(gate_up: Tensor) -> Tensor:
    """SwiGLU (arXiv 2002.05202) of a product whose left half is the gate."""
    left, right = gate_up.chunk(2, -1)
    return F.silu(left) * right


EAGER = Steps(add_norm, rotate, gate)


@torch.inference_mode()
def compiled_steps(norm: Tensor, heads: Heads, width: int, inner: int) -> Steps:
    """The steps compiled for a model, or as they are where that fails, with a warning.

    Args:
        norm: Weights of a layer's norm, on the model's device.
        heads: Of a layer.
        width: Of a head.
        inner: The width between the two products of a feed-forward part.
    """
    steps = Steps(torch.compile(add_norm), torch.compile(rotate), torch.compile(gate))
    try:
        for rows in TRIED:
            hidden = norm.new_zeros(rows, len(norm))
            steps.add_norm(hidden, hidden.clone(), norm, heads.eps)
            _try_rotate(steps, norm, heads, width, rows)
            steps.gate(norm.new_zeros(rows, 2 * inner))
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # each backend of torch has errors of its own
        _warn(first_line(error))
        return EAGER
    return steps


def _try_rotate(steps: Steps, like: Tensor, heads: Heads, width: int, rows: int) -> None:
    qkv = like.new_zeros(rows, heads.heads + 2 * heads.key_heads, width)
    turn = like.new_zeros(rows, width)
    earlier = like.new_zeros(rows // 2, 2, heads.key_heads, width)
    sources = torch.zeros(2 * rows, dtype=torch.int32, device=like.device)
    steps.rotate(qkv, turn, turn.clone(), earlier, sources, *heads)


@cache
def _warn(reason: str) -> None:
    """Once, however many models load."""
    logger.warning("torch can't compile here, so passes take about twice as long: %s", reason)


def _norm(rows: Tensor, weight: Tensor | None, eps: float) -> Tensor:
    if weight is None:
        return rows
    wide = rows.float()
    return weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)).to(rows.dtype)


def _turn(rows: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    left, right = rows.chunk(2, -1)
    return rows * cos + torch.cat([-right, left], -1) * sin
