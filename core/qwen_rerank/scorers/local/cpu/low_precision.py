"""Linear layers whose weights have 16 or 8 bits.

Their products run where the processor has instructions for them: VNNI or AMX for int8, AVX-512's
bf16 or AMX for bf16. Elsewhere the same rounded numbers are multiplied in fp32, which saves memory
but no time. (Without VNNI, int8 products saturate: they are wrong.)
"""

from __future__ import annotations

import platform
from abc import ABC, abstractmethod
from functools import cache
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own documentation calls it so

from qwen_rerank.scorers.local.cpu.packed_linear import PackedLinear, onednn, padded

LARGEST_CODE = 127
"""Of the whole numbers that stand for weights and rows: symmetric, so that zero stays zero."""

NARROW = 512
"""Rounding errors average out over the width of a layer. At 256, the built-in model's, Kendall's
tau with the fp32 ranking was .76 to .88 in int8 and .98 in bf16 (benchmarks/README.md)."""

ZERO = 128
"""What stands for zero in bytes without a sign."""

_TINY = 1e-30

_IN_FP32 = "are multiplied in fp32: in less memory, but no faster than float32"


class Coded(NamedTuple):
    """Rows in the number format of a layer's products."""

    codes: Tensor
    """Shape (rows, width)."""
    factors: Tensor | None = None
    """Shape (rows, 1), fp32: what each row of a product is to be multiplied by."""


class LowPrecisionLinear(PackedLinear, ABC):
    """A linear layer in fewer bits than 32.

    Args:
        weight: Shape (width out, width in), fp32.
        bias: Shape (width out,).
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__(weight)
        self.bias = None if bias is None else bias.detach().clone()

    @abstractmethod
    def encode(self, rows: Tensor) -> Coded:
        """Rows of shape (rows, width in) for `product`; they may be changed."""

    @abstractmethod
    def product(self, codes: Tensor) -> Tensor:
        """Shape (rows, width out), before each row is multiplied by its factor."""

    def forward(self, rows: Tensor) -> Tensor:
        """Shape (..., width in) to (..., width out), both fp32."""
        flat = rows.reshape(-1, self.in_features)
        coded = self.encode(F.pad(flat, (0, 0, 0, padded(len(flat)) - len(flat))))
        out = scaled(self.product(coded.codes), coded.factors)[: len(flat)]
        out = out if self.bias is None else out + self.bias
        return out.view(*rows.shape[:-1], self.out_features)


def scaled(rows: Tensor, factors: Tensor | None) -> Tensor:
    """A product in fp32, with its factors."""
    return rows.float() if factors is None else rows.mul_(factors)


class Int8Linear(LowPrecisionLinear):
    """Weights by output channel, rows by row: a row of large numbers costs the others nothing.

    Source: LLM.int8 (arXiv 2208.07339) calls it vector-wise quantisation; no outliers are kept
    apart here.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__(weight, bias)
        largest = weight.detach().abs().amax(1, keepdim=True).clamp_min_(_TINY)
        codes = (weight.detach() * (LARGEST_CODE / largest)).round_().to(torch.int8)
        self.scales = largest.flatten() / LARGEST_CODE**2
        self.zeros = torch.zeros(self.out_features, dtype=torch.int32)
        self.fast = has_int8()
        self.weight = onednn("qlinear_prepack", "onednn")(codes, None) if self.fast else codes

    def encode(self, rows: Tensor) -> Coded:
        """See `LowPrecisionLinear.encode`."""
        high, low = rows.amax(1, keepdim=True), rows.amin(1, keepdim=True)  # faster than abs
        largest = torch.maximum(high, low.neg_()).clamp_min_(_TINY)
        return Coded(rows.mul_(LARGEST_CODE / largest).round_().to(torch.int8), largest)

    def product(self, codes: Tensor) -> Tensor:
        """See `LowPrecisionLinear.product`."""
        if not self.fast:
            return F.linear(codes.float(), self.weight.float()).mul_(self.scales)
        return _int8_product(codes, self.weight, self.scales, self.zeros)


class Bf16Linear(LowPrecisionLinear):
    """Weights and rows rounded to bf16, sums in fp32."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__(weight, bias)
        short = weight.detach().bfloat16()
        self.fast = has_bf16()
        self.weight = onednn("_reorder_linear_weight")(short, None) if self.fast else short

    def encode(self, rows: Tensor) -> Coded:
        """See `LowPrecisionLinear.encode`."""
        return Coded(rows.bfloat16())

    def product(self, codes: Tensor) -> Tensor:
        """See `LowPrecisionLinear.product`."""
        if not self.fast:
            return F.linear(codes.float(), self.weight.float())
        return cast(Tensor, onednn("_linear_pointwise")(codes, self.weight, None, "none", [], ""))


class Kinds(NamedTuple):
    """What stands in the place of a layer's linear layers."""

    attention: type[LowPrecisionLinear]
    mlp: type[LowPrecisionLinear]


LAYER_KINDS = {
    torch.int8: Kinds(attention=Bf16Linear, mlp=Int8Linear),
    torch.bfloat16: Kinds(attention=Bf16Linear, mlp=Bf16Linear),
}
"""With int8 in attention as well, the built-in model's tau with the fp32 ranking falls from .98 to
between .76 and .88 (benchmarks/README.md)."""


class ShortEmbedding(nn.Module):
    """Rows of 16 bits, as most models are published, read as fp32."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(
            weight if weight.element_size() == 2 else weight.bfloat16(),
            requires_grad=False,
        )

    def forward(self, ids: Tensor) -> Tensor:
        """Shape (...) to (..., width)."""
        return F.embedding(ids, self.weight).float()


@cache
def has_int8() -> bool:
    """Whether oneDNN's int8 products work here, and without saturating."""
    if platform.machine() not in {"x86_64", "AMD64"}:
        return False
    codes, rows = (torch.full((n, 64), LARGEST_CODE, dtype=torch.int8) for n in (32, 16))
    ones, zeros = torch.ones(32), torch.zeros(32, dtype=torch.int32)
    try:
        with torch.inference_mode():
            weight = onednn("qlinear_prepack", "onednn")(codes, None)
            found = _int8_product(rows, weight, ones, zeros)
    except (AttributeError, RuntimeError):  # a torch without oneDNN, or with other names for it
        return False
    return bool((found == 64 * LARGEST_CODE**2).all())


@cache
def has_bf16() -> bool:
    """Whether the processor multiplies bf16, and oneDNN's operators use it."""
    ones = torch.ones(32, 64, dtype=torch.bfloat16)
    try:
        if not torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
            return False
        with torch.inference_mode():
            weight = onednn("_reorder_linear_weight")(ones, None)
            found = onednn("_linear_pointwise")(ones, weight, None, "none", [], "")
    except (AttributeError, RuntimeError):
        return False
    return bool((found == 64).all())


def exception(dtype: torch.dtype, width: int) -> str | None:
    """What is done instead of products of this format, and why; `None` if they are done.

    Args:
        dtype: What is wanted.
        width: Of the model's hidden states.
    """
    if dtype in LAYER_KINDS and width < NARROW:
        return f"layers of width {width} stay in fp32: their ranking needs it, and they are fast"
    if dtype == torch.int8 and not has_int8():
        return f"no VNNI or AMX here: int8 numbers {_IN_FP32}"
    if dtype == torch.bfloat16 and not has_bf16():
        return f"no AVX-512 or AMX with bf16 here: bf16 numbers {_IN_FP32}"
    return None


def _int8_product(codes: Tensor, weight: Tensor, scales: Tensor, zeros: Tensor) -> Tensor:
    product = onednn("qlinear_pointwise", "onednn")
    rows = codes.view(torch.uint8) ^ ZERO  # what weights are packed for: see qlinear_prepack
    out: Tensor = product(
        rows, 1.0, ZERO, weight, scales, zeros, None, 1.0, 0, torch.float32, "none", [], ""
    )  # fmt: skip
    return out
