"""Linear layers whose weights lie in the order in which oneDNN multiplies.

torch multiplies fp32 matrices by MKL, which takes a slow path on processors that others than
Intel made, and arranges each weight anew in every call. oneDNN, which comes with torch as
well, looks at what a processor can do, not at who made it (measured, see benchmarks/README.md).
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

Multiply = Callable[[Tensor, Tensor, int], Tensor]

STEPS = 8
"""In so many steps from one power of two to the next does the number of rows grow."""

_CPUINFO = Path("/proc/cpuinfo")


class PackedLinear(nn.Module):
    """`nn.Linear` without a bias, over a copy of its weight.

    Source: the operators that torch's own compiler puts in the place of linear layers.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight = _onednn("_reorder_linear_weight")(linear.weight.detach(), None)
        self.multiply: Multiply = multiply

    def forward(self, rows: Tensor) -> Tensor:
        """Shape (..., width in) to (..., width out)."""
        return self.multiply(rows, self.weight, self.out_features)


def multiply(rows: torch.Tensor, weight: torch.Tensor, width: int) -> torch.Tensor:  # noqa: ARG001
    """Rows by a packed weight; its width is said for torch's compiler, which can't see it."""
    return cast(Tensor, _onednn("_linear_pointwise")(rows, weight, None, "none", [], ""))


def _onednn(name: str) -> Any:
    """The operator, by the name that torch's compiler knows it by."""
    return getattr(torch.ops.mkldnn, name)


def pack_linears(module: nn.Module) -> None:
    """Put `PackedLinear`s in the place of the linear layers within, where that pays.

    Each weight is let go before the next is packed, so that memory holds one of them twice.
    """
    if not packing_pays():
        return
    for name, child in list(module.named_children()):
        if _packable(child):
            setattr(module, name, PackedLinear(cast(nn.Linear, child)))
        else:
            pack_linears(child)


def padded(rows: int) -> int:
    """The next number of rows that packed products should be given.

    For each number that it has met and each shape of weight, torch keeps 0.7 MB (measured):
    hundreds of MB in all, if any number of tokens may come.
    """
    step = max(16, 2 ** (rows.bit_length() - 1) // STEPS)
    return -(-rows // step) * step if packing_pays() else rows


def _packable(module: nn.Module) -> bool:
    if not isinstance(module, nn.Linear) or module.bias is not None:
        return False
    return module.weight.device.type == "cpu" and module.weight.dtype == torch.float32


@cache
def packing_pays() -> bool:
    """Whether the processor is one on which MKL is slow, and torch has the operators."""
    if _made_by_intel():
        return False
    try:
        with torch.inference_mode():
            PackedLinear(nn.Linear(16, 32, bias=False))(torch.ones(3, 16))
    except (AttributeError, RuntimeError):  # a torch without oneDNN, or with other names for it
        return False
    return True


def _made_by_intel() -> bool:
    text = _CPUINFO.read_text() if _CPUINFO.is_file() else platform.processor()
    return "GenuineIntel" in text
