"""A candidate for our engine's pass on a GPU: few kernels a layer, one copy to the device a pass.

Products that read the same rows are one product, norms and rotations are compiled, and a small
pass can be replayed as a CUDA graph. Measured beside the engine by `benchmarks.gpu`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor

from benchmarks.gpu_layout import PARTS, Layout, Shape
from qwen_rerank.scorers.local.batch import Bounds, Segment
from qwen_rerank.scorers.local.checkpoint import Checkpoint
from qwen_rerank.scorers.local.engine import Engine

GRAPH_TOKENS = 4096
"""Larger passes keep a GPU busy without a graph."""


class _Layer(NamedTuple):
    before: Tensor
    qkv: Tensor
    query_norm: Tensor
    key_norm: Tensor
    out: Tensor
    after: Tensor
    gate_up: Tensor
    down: Tensor


class LeanBackbone:
    """The weights of a `Qwen3Model` as few matrices, and a pass over them.

    Args:
        backbone: transformers' own model, unchanged.
        compiled: Whether torch compiles what lies between the products.
    """

    def __init__(self, backbone: Any, *, compiled: bool = True) -> None:
        config = backbone.config
        self.heads: int = config.num_attention_heads
        self.key_heads: int = config.num_key_value_heads
        self.width: int = config.head_dim
        self.eps: float = config.rms_norm_eps
        self._backbone = backbone
        self.layers = [_layer(layer) for layer in backbone.layers]
        make: Callable[[Any], Any] = torch.compile if compiled else lambda function: function
        self._add_norm, self._rotate, self._gate = map(make, (add_norm, rotate, gate))

    @torch.inference_mode()
    def __call__(self, numbers: Tensor, earlier: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
        """Hidden states at the documents' ends, and the states of new prefixes.

        Args:
            numbers: What `Layout.numbers` holds, on the device.
            earlier: Keys and values of known prefixes, of shape (layers, tokens, 2, key heads,
                head width).
            shape: Of the pass.

        Returns:
            Shapes (documents, hidden) and (layers, new tokens, 2, key heads, head width).
        """
        part = dict(zip(PARTS, torch.split(numbers, shape.sizes), strict=True))
        hidden = self._backbone.embed_tokens(part["ids"])
        cos, sin = self._backbone.rotary_emb(hidden, part["positions"].unsqueeze(0))
        new = hidden.new_empty(len(self.layers), shape.new, *earlier.shape[2:])
        change = torch.zeros_like(hidden)
        bounds = Bounds(part["rows"], part["keys"], shape.most_rows, shape.most_keys)
        for layer, known, kept in zip(self.layers, earlier, new, strict=True):
            hidden, rows = self._add_norm(hidden, change, layer.before, self.eps)
            query, own = self._rotated(layer, rows, cos[0], sin[0])
            states = torch.cat([known, own]).index_select(0, part["sources"])
            torch.index_select(states, 0, part["new"], out=kept)
            if layer is self.layers[-1]:
                hidden, query = hidden[part["ends"]], query[part["ends"]]
                bounds = bounds._replace(rows=part["last_rows"], most_rows=1)
            seen = attend(query, states, bounds, self.width**-0.5).flatten(1)
            hidden, rows = self._add_norm(hidden, F.linear(seen, layer.out), layer.after, self.eps)
            change = F.linear(self._gate(F.linear(rows, layer.gate_up)), layer.down)
        return self._add_norm(hidden, change, self._backbone.norm.weight, self.eps)[1], new

    def _rotated(
        self, layer: _Layer, rows: Tensor, cos: Tensor, sin: Tensor
    ) -> tuple[Tensor, Tensor]:
        qkv = F.linear(rows, layer.qkv).view(len(rows), -1, self.width)
        norms, heads = (layer.query_norm, layer.key_norm, self.eps), (self.heads, self.key_heads)
        turned: tuple[Tensor, Tensor] = self._rotate(qkv, cos, sin, *norms, *heads)
        return turned


def add_norm(hidden: Tensor, change: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The sum, and its rows by their root mean square."""
    total = hidden + change
    return total, _norm(total, weight, eps)


def rotate(  # noqa: PLR0917 - compiled functions are called by position
    qkv: Tensor,
    cos: Tensor,
    sin: Tensor,
    query_norm: Tensor,
    key_norm: Tensor,
    eps: float,
    heads: int,
    key_heads: int,
) -> tuple[Tensor, Tensor]:
    """Norm and rotary embedding: queries, and keys with values as (tokens, 2, key heads, width)."""
    cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
    query = _turn(_norm(qkv[:, :heads], query_norm, eps), cos, sin)
    key = _turn(_norm(qkv[:, heads : heads + key_heads], key_norm, eps), cos, sin)
    return query, torch.stack([key, qkv[:, heads + key_heads :]], 1)


def gate(gate_up: Tensor) -> Tensor:
    """SwiGLU of a product whose left half is the gate."""
    left, right = gate_up.chunk(2, -1)
    return F.silu(left) * right


def _norm(rows: Tensor, weight: Tensor, eps: float) -> Tensor:
    wide = rows.float()
    return weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)).to(rows.dtype)


def _turn(rows: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    left, right = rows.chunk(2, -1)
    return rows * cos + torch.cat([-right, left], -1) * sin


def attend(query: Tensor, states: Tensor, bounds: Bounds, scale: float) -> Tensor:
    """Each segment's rows to its keys, causally; what `varlen_attn` calls, without its Python."""
    keys, values = states[:, 0], states[:, 1]
    if not query.is_cuda:
        return _by_segment(query, keys, values, bounds, scale)
    work: Any = torch.ops.aten._flash_attention_forward  # noqa: SLF001
    window = {"window_size_left": -1, "window_size_right": 0}
    done = work(query, keys, values, *bounds, 0.0, True, False, scale=scale, **window)
    seen: Tensor = done[0]
    return seen


def _by_segment(
    query: Tensor, keys: Tensor, values: Tensor, bounds: Bounds, scale: float
) -> Tensor:
    """For a smoke test on a CPU."""
    seen = torch.zeros_like(query)
    rows, cells = bounds.rows.tolist(), bounds.keys.tolist()
    for first, end, key, key_end in zip(rows, rows[1:], cells, cells[1:], strict=False):
        count, width = end - first, key_end - key
        if not count:
            continue
        mask = torch.ones(count, width, dtype=torch.bool).tril(width - count)
        parts = (query[first:end], keys[key:key_end], values[key:key_end])
        q, k, v = (part.transpose(0, 1) for part in parts)
        done = F.scaled_dot_product_attention(q, k, v, mask, scale=scale, enable_gqa=True)
        seen[first:end] = done.transpose(0, 1)
    return seen


def _layer(layer: Any) -> _Layer:
    attention, mlp = layer.self_attn, layer.mlp
    joined = [attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight]
    return _Layer(
        layer.input_layernorm.weight,
        torch.cat(joined).detach(),
        attention.q_norm.weight,
        attention.k_norm.weight,
        attention.o_proj.weight,
        layer.post_attention_layernorm.weight,
        torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]).detach(),
        mlp.down_proj.weight,
    )


class LeanEngine(Engine):
    """Our engine with the candidate's pass.

    Args:
        checkpoint: Whose backbone no other engine has changed.
        compiled: See `LeanBackbone`.
        graphs: Whether small passes are replayed as CUDA graphs.
    """

    def __init__(
        self, checkpoint: Checkpoint, *, compiled: bool = True, graphs: bool = False
    ) -> None:
        self._lean = LeanBackbone(checkpoint.backbone, compiled=compiled)
        self._graphs: dict[Shape, Graph] | None = {} if graphs else None
        self._pool: Any = torch.cuda.graph_pool_handle() if graphs else None
        super().__init__(checkpoint)

    def _prepare(self, backbone: Any) -> bool:  # noqa: ARG002 - the engine's own form
        return False

    def _last_hidden(self, segments: Sequence[Segment], tokens: int) -> Tensor:
        layout = Layout(segments, rounded=self._graphs is not None and tokens <= GRAPH_TOKENS)
        earlier = self._earlier(layout)
        if layout.rounded:
            assert self._graphs is not None
            if layout.shape not in self._graphs:
                self._graphs[layout.shape] = Graph(self._lean, layout, earlier, self._pool)
            hidden, new = self._graphs[layout.shape](layout, earlier)
        else:
            numbers = layout.numbers.to(self._answer.device, non_blocking=True)
            hidden, new = self._lean(numbers, earlier, layout.shape)
        layout.store(new)
        return hidden[: layout.documents]

    def _earlier(self, layout: Layout) -> Tensor:
        lean = self._lean
        like = lean.layers[0].qkv
        rows = like.new_zeros(len(lean.layers), layout.shape.earlier, 2, lean.key_heads, lean.width)
        first = 0
        for prefix in layout.earlier:
            rows[:, first : first + len(prefix.tokens)] = prefix.states.transpose(1, 2)
            first += len(prefix.tokens)
        return rows


class Graph:
    """One pass of a shape, recorded; graphs of one pool share memory and run one at a time."""

    def __init__(self, lean: LeanBackbone, layout: Layout, earlier: Tensor, pool: Any) -> None:
        self._numbers = layout.numbers.to(earlier.device)
        self._earlier = earlier.clone()
        lean(self._numbers, self._earlier, layout.shape)  # compiles what a recording may not
        torch.cuda.synchronize()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool, capture_error_mode="thread_local"):
            self._hidden, self._new = lean(self._numbers, self._earlier, layout.shape)

    def __call__(self, layout: Layout, earlier: Tensor) -> tuple[Tensor, Tensor]:
        """Replay it; what it returns is overwritten by the next one."""
        self._numbers.copy_(layout.numbers, non_blocking=True)
        self._earlier.copy_(earlier)
        self._graph.replay()
        return self._hidden, self._new
