"""A layer of Qwen3 in low precision, with few passes over memory between its products.

The products are so fast that transformers' norms, rotations and activations would take as long.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own documentation calls it so

from qwen_rerank.scorers.local.attention import attend
from qwen_rerank.scorers.local.cpu.low_precision import Coded, Kinds, LowPrecisionLinear, scaled

CACHED = 1 << 19
"""So many numbers go through the steps between two products at once, and stay in the caches."""


class LeanLayer(nn.Module):
    """One of transformers' Qwen3 layers, over copies of its weights.

    Queries and keys have their two halves interleaved, so that the rotary embedding is one
    multiplication of complex numbers (arXiv 2104.09864); their products stay the same.

    Args:
        layer: In fp32; only its norms are kept.
        kinds: What multiplies in the place of its linear layers.
    """

    def __init__(self, layer: Any, kinds: Kinds) -> None:
        super().__init__()
        attention, mlp = layer.self_attn, layer.mlp
        self.attention_type = getattr(layer, "attention_type", None)  # of older transformers
        self.layer_idx, self.config = attention.layer_idx, attention.config
        self.scaling, self.width = attention.scaling, attention.head_dim
        self.before_attention, self.before_mlp = (
            layer.input_layernorm,
            layer.post_attention_layernorm,
        )
        q, k, v = (p.weight for p in (attention.q_proj, attention.k_proj, attention.v_proj))
        self.sizes = [len(part) // self.width for part in (q, k, v)]
        self.head_weight = _head_weight(attention, self.sizes)
        self.head_eps = attention.q_norm.variance_epsilon
        self.qkv = kinds.attention(
            torch.cat([_interleaved(q, self.width), _interleaved(k, self.width), v])
        )
        self.o = kinds.attention(attention.o_proj.weight)
        self.gate_up = kinds.mlp(torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]))
        self.down = kinds.mlp(mlp.down_proj.weight)

    def forward(
        self, hidden_states: Tensor, position_embeddings: tuple[Tensor, Tensor], **_: Any
    ) -> Tensor:
        """What transformers' model calls: shape (1, tokens, hidden) to the same, in place."""
        rows = hidden_states[0]
        heads = _product(self.qkv, _normed(rows, self.before_attention)).codes
        attended = self._attended(heads, *position_embeddings)
        rows.add_(scaled(*_product(self.o, _pieces(attended))))
        wide = _product(self.gate_up, _normed(rows, self.before_mlp))
        gated = (_gated(piece) for piece in _scaled_pieces(wide))
        rows.add_(scaled(*_product(self.down, gated)))
        return hidden_states

    def _attended(self, heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """From (rows, all heads' widths) to (rows, query heads' widths)."""
        half, turning = self.width // 2, sum(self.sizes[:2])
        turns = torch.complex(cos[0, :, :half].float(), sin[0, :, :half].float()).unsqueeze(1)
        heads = heads.view(len(heads), -1, self.width)
        pieces = _pieces(heads[:, :turning])
        turned = torch.cat(
            [
                self._turned(piece.float(), turn).to(heads.dtype)
                for piece, turn in zip(pieces, torch.split(turns, len(pieces[0])), strict=True)
            ]
        )
        parts = [*torch.split(turned, self.sizes[:2], 1), heads[:, turning:]]
        q, k, v = (part.transpose(0, 1).unsqueeze(0) for part in parts)
        return attend(self, q, k, v, None, scaling=self.scaling)[0][0].flatten(1)

    def _turned(self, heads: Tensor, turns: Tensor) -> Tensor:
        """Norm and rotary embedding of queries and keys, (rows, heads, width) to the same."""
        normed = (heads * self.head_weight).mul_(_inverse_norm(heads, self.head_eps))
        pairs = torch.view_as_complex(normed.view(*normed.shape[:2], -1, 2))
        return torch.view_as_real(pairs.mul_(turns)).flatten(2)


def is_qwen3(layer: nn.Module) -> bool:
    """Whether `LeanLayer` can stand in a layer's place."""
    from transformers.models.qwen3.modeling_qwen3 import Qwen3DecoderLayer

    if not isinstance(layer, Qwen3DecoderLayer):
        return False
    linears = [module for module in layer.modules() if isinstance(module, nn.Linear)]
    return layer.mlp.config.hidden_act == "silu" and all(one.bias is None for one in linears)


def _head_weight(attention: Any, sizes: list[int]) -> Tensor:
    """The norm weights of all query and key heads, of shape (heads, width)."""
    norms = attention.q_norm.weight, attention.k_norm.weight
    rows = [
        _interleaved(norm, len(norm)).expand(n, -1) for norm, n in zip(norms, sizes, strict=False)
    ]
    return torch.cat(rows).detach()


def _interleaved(rows: Tensor, width: int) -> Tensor:
    """The halves of each head's rows in turns."""
    halves = rows.reshape(-1, 2, width // 2, *rows.shape[1:])
    return halves.transpose(1, 2).flatten(0, 2)


def _pieces(rows: Tensor) -> tuple[Tensor, ...]:
    return torch.split(rows, max(1, CACHED // rows[0].numel()))


def _scaled_pieces(product: Coded) -> Iterator[Tensor]:
    pieces = _pieces(product.codes)
    if product.factors is None:
        yield from (piece.float() for piece in pieces)
    else:
        factors = torch.split(product.factors, len(pieces[0]))
        yield from map(scaled, pieces, factors)


def _product(linear: LowPrecisionLinear, pieces: Iterable[Tensor]) -> Coded:
    coded = [linear.encode(piece) for piece in pieces]
    product = linear.product(torch.cat([one.codes for one in coded]))
    factors = [one.factors for one in coded if one.factors is not None]
    return Coded(product, torch.cat(factors) if factors else None)


def _normed(rows: Tensor, norm: Any) -> Iterator[Tensor]:
    for piece in _pieces(rows):
        yield (piece * norm.weight).mul_(_inverse_norm(piece, norm.variance_epsilon))


def _inverse_norm(rows: Tensor, eps: float) -> Tensor:
    """1 by the root of the mean square, of shape (..., 1)."""
    norm: Tensor = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    return norm.square_().div_(rows.shape[-1]).add_(eps).rsqrt_()


def _gated(wide: Tensor) -> Tensor:
    gate, up = wide.chunk(2, 1)
    return F.silu(gate).mul_(up)
