"""The forward pass of training: transformers' Qwen3 weights, the shared prompt computed once.

A batch is B queries and R documents, each document belonging to one query. The head of the prompt
is equal for all, a query line is shared by its documents, so keys and values flow down a tree:
head (1) -> query lines (B) -> documents (R). The scores are those of the plain forward pass over
each whole prompt; ``tests/training`` asserts it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Qwen3Config, Qwen3ForCausalLM

Past = list[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Rows:
    """Right-padded token rows: ``ids`` (N, T), ``lengths`` (N,)."""

    ids: Tensor
    lengths: Tensor

    @property
    def real(self) -> Tensor:
        """(N, T), true where a token is not padding."""
        return torch.arange(self.ids.shape[1], device=self.ids.device) < self.lengths[:, None]


@dataclass(frozen=True)
class Batch:
    """``documents`` come in chunks of similar length; ``owner[c]`` (R_c,) is each row's query."""

    head: Rows
    queries: Rows
    documents: list[Rows]
    owners: list[Tensor]


class Reranker(nn.Module):
    """Scores of a `Batch`, with the weights of a `Qwen3ForCausalLM`."""

    def __init__(self, model: Qwen3ForCausalLM, yes: int, no: int) -> None:
        super().__init__()
        self.model = model
        self.yes, self.no = yes, no
        self.block: Callable[..., tuple[Tensor, Tensor, Tensor]] = block

    @property
    def config(self) -> Qwen3Config:
        """The configuration of the wrapped model."""
        return self.model.config

    def forward(self, batch: Batch) -> list[Tensor]:
        """logit(yes) - logit(no) of every document, one tensor (R_c,) a chunk, fp32."""
        answer = self.model.model.embed_tokens.weight[[self.yes, self.no]].float()
        with torch.autocast(answer.device.type, enabled=False):
            return [states @ (answer[0] - answer[1]) for states in self.states(batch)]

    def states(self, batch: Batch) -> list[Tensor]:
        """What the answer is read from: each document's last hidden state, (R_c, H), fp32."""
        _, past, seen = self._run(batch.head, None, None)
        owner = torch.zeros(len(batch.queries.ids), dtype=torch.long, device=seen.device)
        _, past, seen = self._run(batch.queries, _take(past, owner), seen[owner])
        found = []
        for rows, owner in zip(batch.documents, batch.owners, strict=True):
            hidden, _, _ = self._run(rows, _take(past, owner), seen[owner])
            last = hidden[torch.arange(len(hidden), device=hidden.device), rows.lengths - 1]
            found.append(norm(last, self.model.model.norm))
        return found

    def _run(
        self, rows: Rows, past: Past | None, seen: Tensor | None
    ) -> tuple[Tensor, Past, Tensor]:
        """Continue ``past``; ``seen`` (N, S) marks its real keys. Gives hidden, past, seen."""
        mask, positions = _mask(rows, seen)
        cos, sin = _rotation(self.config, positions)
        hidden = self.model.model.embed_tokens(rows.ids)
        grown: Past = []
        for i, layer in enumerate(self.model.model.layers):
            keys, values = past[i] if past else (None, None)
            hidden, keys, values = self.block(layer, hidden, cos, sin, mask, keys, values)
            grown.append((keys, values))
        seen = rows.real if seen is None else torch.cat([seen, rows.real], 1)
        return hidden, grown, seen


def block(
    layer: Any,
    hidden: Tensor,
    cos: Tensor,
    sin: Tensor,
    mask: Tensor,
    keys: Tensor | None,
    values: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """One Qwen3 layer: (N, T, H) -> (N, T, H), and all keys and values (N, heads, S + T, D)."""
    attention = layer.self_attn
    x = norm(hidden, layer.input_layernorm)
    shape = (*x.shape[:2], -1, attention.head_dim)
    q = _rotate(norm(attention.q_proj(x).view(shape), attention.q_norm).transpose(1, 2), cos, sin)
    k = _rotate(norm(attention.k_proj(x).view(shape), attention.k_norm).transpose(1, 2), cos, sin)
    v = attention.v_proj(x).view(shape).transpose(1, 2)
    q, k = q.to(v.dtype), k.to(v.dtype)
    if keys is not None and values is not None:
        k, v = torch.cat([keys, k], 2), torch.cat([values, v], 2)
    weights = (q @ k.transpose(2, 3)).float() * attention.head_dim**-0.5 + mask
    mixed = weights.softmax(-1).to(v.dtype) @ v
    hidden = hidden + attention.o_proj(mixed.transpose(1, 2).flatten(2))
    x = norm(hidden, layer.post_attention_layernorm)
    mlp = layer.mlp
    return hidden + mlp.down_proj(F.silu(mlp.gate_proj(x)) * mlp.up_proj(x)), k, v


def norm(x: Tensor, layer: Any) -> Tensor:
    """Qwen3's RMSNorm over the last dimension, in fp32."""
    x = x.float()
    return (
        x * torch.rsqrt(x.square().mean(-1, keepdim=True) + layer.variance_epsilon) * layer.weight
    )


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


def _rotation(config: Qwen3Config, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Cos and sin (N, 1, T, D) of RoPE at ``positions`` (N, T)."""
    dim, theta = config.head_dim, float(dict(config.rope_parameters or {})["rope_theta"])
    step = torch.arange(0, dim, 2, device=positions.device).float() / dim
    angle = positions[:, None, :, None].float() * (1.0 / theta**step)
    angle = torch.cat([angle, angle], -1)
    return angle.cos(), angle.sin()


def _mask(rows: Rows, seen: Tensor | None) -> tuple[Tensor, Tensor]:
    """What is added to the logits, (N, 1, T, S + T): 0 or a lot less; and the positions (N, T)."""
    count, length = rows.ids.shape
    own = torch.ones(length, length, dtype=torch.bool, device=rows.ids.device).tril()
    mask, start = own.expand(count, -1, -1), torch.zeros_like(rows.ids[:, :1])
    if seen is not None:
        mask = torch.cat([seen[:, None].expand(-1, length, -1), mask], 2)
        start = seen.sum(1, keepdim=True)
    positions = torch.arange(length, device=rows.ids.device)[None] + start
    bias = torch.where(mask[:, None], 0.0, -1e4)
    return bias, positions.expand(count, -1)


def _take(past: Past, owner: Tensor) -> Past:
    """The keys and values of each row's owner."""
    return [(keys.index_select(0, owner), values.index_select(0, owner)) for keys, values in past]
