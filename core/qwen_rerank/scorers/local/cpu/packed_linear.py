"""Linear layers whose weights lie in the order in which oneDNN multiplies.

torch multiplies fp32 matrices by MKL, which leaves AVX-512 unused on processors that Intel
did not make. oneDNN, which comes with torch as well, looks at what a processor can do, not at who
made it; without AVX-512 MKL is the faster one (both measured, see benchmarks/README.md).
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from qwen_rerank.scorers.local.last_token import LastTokenOnly

Multiply = Callable[[Tensor, Tensor, int], Tensor]

STEPS = 8
"""Numbers of rows are rounded up to one of this many between two powers of two."""

_CPUINFO = Path("/proc/cpuinfo")


class PackedLinear(nn.Module):
    """`nn.Linear` over a copy of its weight; it can't be copied or pickled.

    Source: the operators that torch's own compiler puts in the place of linear layers.
    """

    def __init__(self, out_features: int, in_features: int) -> None:
        super().__init__()
        self.out_features, self.in_features = out_features, in_features


class Fp32Linear(PackedLinear):
    """Of fp32 weights, without a bias."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__(*weight.shape)
        self.weight = _pack(weight.detach())
        self.multiply: Multiply = multiply

    def forward(self, rows: Tensor) -> Tensor:
        """Shape (..., width in) to (..., width out)."""
        return self.multiply(rows, self.weight, self.out_features)


def multiply(rows: Tensor, weight: Tensor, width: int) -> Tensor:  # noqa: ARG001
    """Rows by a packed weight; its width is said for torch's compiler, which can't see it."""
    return cast(Tensor, onednn("_linear_pointwise")(rows, weight, None, "none", [], ""))


def pack_linears(module: nn.Module) -> bool:
    """Put `Fp32Linear`s in the place of the linear layers within, where that pays.

    Each weight is let go before the next is packed, so that memory holds one of them twice.
    What works on answers only stays: its few rows are of any number, see `padded`.

    Returns:
        Whether there are any now, packed here or before.
    """
    packed = False
    for name in [name for name, _ in module.named_children()]:
        child = getattr(module, name)
        if _packable(child):
            setattr(module, name, Fp32Linear(child.weight))
            packed = True
        elif not isinstance(child, LastTokenOnly):
            packed |= isinstance(child, PackedLinear) or pack_linears(child)
        del child
    return packed


def padded(rows: int) -> int:
    """The next number of rows that packed products should be given.

    For each number that it has met and each shape of weight, torch keeps 0.7 MB (measured):
    hundreds of MB in all, if any number of tokens may come.
    """
    step = max(16, (1 << (rows.bit_length() - 1)) // STEPS)
    return -(-rows // step) * step


def _packable(module: nn.Module) -> bool:
    if not isinstance(module, nn.Linear) or module.bias is not None:
        return False
    weight = module.weight
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and packing_pays()


@cache
def packing_pays() -> bool:
    """Whether MKL leaves AVX-512 unused here, and oneDNN's operators work."""
    mkl: Any = torch.backends.mkl
    if not mkl.is_available() or not _has_avx512() or _made_by_intel():
        return False
    rows = torch.ones(32, 64, dtype=torch.float32, device="cpu")
    try:
        with torch.inference_mode():
            found = multiply(rows, _pack(rows), 32)
    except (AttributeError, RuntimeError):  # a torch without oneDNN, or with other names for it
        return False
    return bool((found == 64).all())


def _has_avx512() -> bool:
    return torch.backends.cpu.get_cpu_capability() == "AVX512"


def _made_by_intel() -> bool:
    if platform.system() == "Darwin":  # all of them with MKL
        return True
    try:
        text = _CPUINFO.read_text()
    except OSError:
        text = platform.processor()
    return "GenuineIntel" in text


def _pack(weight: Tensor) -> Tensor:
    return cast(Tensor, onednn("_reorder_linear_weight")(weight, None))


def onednn(name: str, space: str = "mkldnn") -> Any:
    """The operator, by the name that torch's compiler knows it by."""
    return getattr(getattr(torch.ops, space), name)
