"""Lets torch compile a model's layers: norms, rotations and activations become few passes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast

import torch
from torch import nn
from transformers import AttentionInterface

from qwen_rerank.errors import ConfigError
from qwen_rerank.printable import first_line
from qwen_rerank.scorers.local.attention import attend
from qwen_rerank.scorers.local.cpu.packed_linear import Fp32Linear, Multiply, multiply

COMPILED_ATTENTION = "qwen_rerank_packs_compiled"


def compile_layers(backbone: nn.Module, run: Callable[[], object]) -> None:
    """Compile all layers but the last, which works on few rows; one compilation serves all.

    Source: `torch.compile` with dynamic shapes; packs change their length from pass to pass.

    Args:
        backbone: transformers' own `Qwen3Model`.
        run: Makes a pass, so that compiling happens now and what it lacks shows now.

    Raises:
        ConfigError: torch can't compile here; on a CPU it needs a C++ compiler.
    """
    model: Any = backbone
    opaque = cast(Any, torch.compiler).disable(attend)
    AttentionInterface.register(COMPILED_ATTENTION, opaque)
    model.set_attn_implementation(COMPILED_ATTENTION)
    try:
        for layer in model.layers[:-1]:
            _hide_products(layer)
            layer.compile(dynamic=True)
        run()
    except Exception as error:  # each backend of torch has errors of its own
        reason = first_line(error)
        raise ConfigError(f"compiled=True does not work on this machine: {reason}") from error


def _hide_products(layer: nn.Module) -> None:
    """Let the compiler call packed products as they are; its own form wants constant weights."""
    for module in layer.modules():
        if isinstance(module, Fp32Linear):
            module.multiply = _opaque_multiply()


@cache
def _opaque_multiply() -> Multiply:
    operator: Any = torch.library.custom_op(
        f"{COMPILED_ATTENTION}::multiply",
        multiply,
        mutates_args=(),
        schema="(Tensor rows, Tensor weight, SymInt width) -> Tensor",
    )
    operator.register_fake(lambda rows, _, width: rows.new_empty(*rows.shape[:-1], width))
    return cast(Multiply, operator)
