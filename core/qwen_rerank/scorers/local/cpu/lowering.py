"""Puts a model's parts into low precision, one after the other, as they are read."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from qwen_rerank.scorers.local.cpu.lean_layer import LeanLayer, is_qwen3
from qwen_rerank.scorers.local.cpu.low_precision import Kinds, LowPrecisionLinear, ShortEmbedding


@torch.no_grad()
def lower_part(backbone: Any, path: str, kinds: Kinds) -> None:
    """Replace a part of a model, such as `layers.3`, or the linear layers in it.

    The last layer stays transformers' own: it works on the last tokens of documents only.

    Args:
        backbone: transformers' own model.
        path: Of the part, whose tensors are in memory: fp32, or of 16 bits if it is embeddings.
        kinds: What multiplies in the place of linear layers.
    """
    parent, _, name = path.rpartition(".")
    part = backbone.get_submodule(path)
    if isinstance(part, nn.Embedding):
        setattr(backbone.get_submodule(parent), name, ShortEmbedding(part.weight))
    elif part is not backbone.layers[-1] and is_qwen3(part):
        setattr(backbone.get_submodule(parent), name, LeanLayer(part, kinds))
    else:
        for child_name, child in part.named_children():
            _lower_linears(child, kinds.mlp if child_name == "mlp" else kinds.attention)


def _lower_linears(module: nn.Module, kind: type[LowPrecisionLinear]) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            setattr(module, name, kind(child.weight, child.bias))
        else:
            _lower_linears(child, kind)
