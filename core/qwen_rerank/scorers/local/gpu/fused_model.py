"""Qwen's layers over packed passes, with few kernels a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own documentation calls it so
from torch import Tensor, nn

from qwen_rerank.scorers.local.gpu.layout import PARTS, Shape
from qwen_rerank.scorers.local.gpu.steps import Heads, compiled_steps
from qwen_rerank.scorers.local.gpu.varlen import Bounds, has_varlen, varlen_attention


class _Layer(NamedTuple):
    """Weights of one layer; products that read the same rows are one product."""

    before: Tensor
    qkv: Tensor
    qkv_bias: Tensor | None
    heads: Heads
    out: Tensor
    after: Tensor
    gate_up: Tensor
    down: Tensor


class FusedModel:
    """The weights of transformers' `Qwen3Model` or `Qwen2Model`, and a pass over them.

    The transformers model stays usable; its weights become parts of the joined ones.

    Args:
        backbone: transformers' own model, unchanged.
    """

    def __init__(self, backbone: Any) -> None:
        attention = backbone.layers[0].self_attn
        self.width: int = attention.head_dim
        self._scaling: float = attention.scaling
        self._embed, self._rotary, self._norm = (
            backbone.embed_tokens,
            backbone.rotary_emb,
            backbone.norm.weight,
        )
        self.layers = [_joined(layer, backbone.config) for layer in backbone.layers]
        self._eps: float = backbone.config.rms_norm_eps
        inner = self.layers[0].down.shape[1]
        self._steps = compiled_steps(self._norm, self.layers[0].heads, self.width, inner)

    def states(self, tokens: int) -> Tensor:
        """Room for keys and values, of shape (layers, tokens, 2, key heads, head width)."""
        first = self.layers[0]
        heads, layers = first.heads.key_heads, len(self.layers)
        return first.qkv.new_zeros(layers, tokens, 2, heads, self.width)

    @torch.inference_mode()
    def __call__(self, numbers: Tensor, earlier: Tensor, new: Tensor, shape: Shape) -> Tensor:
        """Hidden states at the documents' ends, of shape (documents, hidden).

        Args:
            numbers: What `Layout.numbers` holds, on the device.
            earlier: Keys and values of prefixes that earlier passes kept, see `states`.
            new: Where those of new prefixes go.
            shape: Of the pass.
        """
        part = dict(zip(PARTS, torch.split(numbers, shape.sizes), strict=True))
        add_norm, rotate, gate = self._steps
        hidden = self._embed(part["ids"])
        cos, sin = (turn[0] for turn in self._rotary(hidden, part["positions"].unsqueeze(0)))
        bounds = Bounds(part["rows"], part["keys"], shape.most_rows, shape.most_keys)
        change = torch.zeros_like(hidden)
        for layer, known, kept in zip(self.layers, earlier, new, strict=True):
            hidden, rows = add_norm(hidden, change, layer.before, self._eps)
            qkv = F.linear(rows, layer.qkv, layer.qkv_bias).view(len(rows), -1, self.width)
            query, states = rotate(qkv, cos, sin, known, part["sources"], *layer.heads)
            torch.index_select(states, 0, part["new"], out=kept)
            if layer is self.layers[-1]:  # from here on, only documents' ends are needed
                hidden, query = hidden[part["ends"]], query[part["ends"]]
                bounds = bounds._replace(rows=part["last_rows"], most_rows=1)
            keys, values = states.unbind(1)
            seen = varlen_attention(query, keys, values, bounds, self._scaling).flatten(1)
            hidden, rows = add_norm(hidden, F.linear(seen, layer.out), layer.after, self._eps)
            change = F.linear(gate(F.linear(rows, layer.gate_up)), layer.down)
        return add_norm(hidden, change, self._norm, self._eps)[1]


def fuses(backbone: Any) -> bool:
    """Whether a model whose prompts stand in one row can run as a `FusedModel`."""
    weight = backbone.embed_tokens.weight
    return has_varlen(weight.device, weight.dtype) and backbone.config.hidden_act == "silu"


def _joined(layer: Any, config: Any) -> _Layer:
    attention, mlp = layer.self_attn, layer.mlp
    projections = [attention.q_proj, attention.k_proj, attention.v_proj]
    biases = [projection.bias for projection in projections if projection.bias is not None]
    normed = hasattr(attention, "q_norm")  # Qwen3's
    heads = Heads(
        attention.q_norm.weight if normed else None,
        attention.k_norm.weight if normed else None,
        config.rms_norm_eps,
        config.num_attention_heads,
        config.num_key_value_heads,
    )
    return _Layer(
        before=layer.input_layernorm.weight,
        qkv=_join(projections),
        qkv_bias=torch.cat(biases).detach() if biases else None,
        heads=heads,
        out=attention.o_proj.weight,
        after=layer.post_attention_layernorm.weight,
        gate_up=_join([mlp.gate_proj, mlp.up_proj]),
        down=mlp.down_proj.weight,
    )


def _join(linears: Sequence[nn.Linear]) -> Tensor:
    """Their weights as one matrix, of which theirs become parts, so that memory holds one copy."""
    joined = torch.cat([linear.weight for linear in linears]).detach()
    parts = torch.split(joined, [linear.out_features for linear in linears])
    for linear, part in zip(linears, parts, strict=True):
        linear.weight.data = part
    return joined
