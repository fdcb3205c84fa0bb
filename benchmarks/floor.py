"""The machine's own matrix-product speed, and how much of it a run used."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import nn

from qwen_rerank.scorers.local.cpu.packed_linear import PackedLinear


def matrices(model: Any) -> list[torch.Tensor]:
    """The weights that each token is multiplied with, in the order of a pass."""
    modules = model.model.layers.modules()
    return [m.weight for m in modules if isinstance(m, torch.nn.Linear)]


def product_operations(model: Any, tokens: int) -> float:
    """Floating-point operations of a pass's products with the weights."""
    return 2 * tokens * sum(weight.numel() for weight in matrices(model))


@torch.inference_mode()
def product_seconds(backbone: Any, tokens: int) -> float:
    """What nothing but a backbone's own products takes; processor seconds on a CPU.

    Each weight is used once, as a pass does, so none is still in a cache from the last use.
    """
    products = [m for m in backbone.layers.modules() if isinstance(m, nn.Linear | PackedLinear)]
    some = backbone.embed_tokens.weight
    rows = {
        m.in_features: torch.randn(tokens, m.in_features, dtype=some.dtype, device=some.device)
        for m in products
    }
    clock = time.process_time if some.device.type == "cpu" else time.perf_counter
    synchronize(some.device)
    start = clock()
    for product in products:
        product(rows[product.in_features])
    synchronize(some.device)
    return clock() - start


def operations(model: Any, passed: int, tails: list[int], head: int) -> float:
    """Of the products that our engine carries out, attention included.

    Args:
        model: The whole model.
        passed: Tokens that went through it.
        tails: Each document's own tokens.
        head: Tokens that each document looks at beside its own.
    """
    config, weights = model.config, matrices(model)
    last = sum(weights[i].numel() for i in (-7, -4, -3, -2, -1))  # all but keys and values
    products = passed * sum(w.numel() for w in weights) - (passed - len(tails)) * last
    seen = sum(tail * head + tail * tail / 2 for tail in tails) * (config.num_hidden_layers - 1)
    attention: float = 4 * seen * config.num_attention_heads * config.head_dim
    return 2 * products + attention


def synchronize(device: torch.device) -> None:
    """Wait for a GPU; a CPU never runs behind."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
