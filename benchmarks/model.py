"""Builds a Qwen3-Reranker of a published size with random weights: time does not depend on them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import Qwen3Config, Qwen3ForCausalLM

from qwen_rerank.prompt import DEFAULT_INSTRUCTION, QWEN3
from tests.qwen3.tokenizer import build_tokenizer

# hidden, intermediate, layers, heads, tied: from the published config.json files
SIZES = {
    "tiny": (64, 192, 3, 4, True),
    "0.6B": (1024, 3072, 28, 16, True),
    "4B": (2560, 9728, 36, 32, True),
    "8B": (4096, 12288, 36, 32, False),
}
_PART = '{{{{ messages | selectattr("role", "eq", "{}") | map(attribute="content") | first }}}}'


def config_of(size: str, layers: int | None = None) -> Qwen3Config:
    """The shape of a published size, or of a tiny one for a smoke test; with its own layers."""
    hidden, intermediate, published, heads, tied = SIZES[size]
    return Qwen3Config(
        vocab_size=151669,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers or published,
        num_attention_heads=heads,
        num_key_value_heads=min(heads, 8) if heads >= 8 else 2,
        head_dim=128 if heads >= 8 else 16,
        max_position_embeddings=40960,
        tie_word_embeddings=tied,
        initializer_range=0.02 if heads >= 8 else 0.2,
    )


def build(size: str, folder: Path, dtype: torch.dtype, layers: int | None = None) -> Path:
    """Save a model the way hubs hold it, chat template included, unless it is there.

    Args:
        size: See `SIZES`.
        folder: Where it goes.
        dtype: Of its tensors.
        layers: How many, if not as many as published.
    """
    if (folder / "config.json").is_file():
        return folder
    torch.manual_seed(7)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.device(device):
        model: Any = Qwen3ForCausalLM(config_of(size, layers))
    model.to(dtype)
    build_tokenizer_files(folder)
    model.save_pretrained(folder)
    return folder


def build_tokenizer_files(folder: Path) -> None:
    """The true vocabulary, and the template in the form sentence-transformers fills."""
    folder.mkdir(parents=True, exist_ok=True)
    build_tokenizer().save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "<|endoftext|>",
        "padding_side": "left",
        "model_max_length": 40960,
        "chat_template": _template(),
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def _template() -> str:
    text = QWEN3.text(_PART.format("query"), _PART.format("document"), DEFAULT_INSTRUCTION)
    return text + "\n"  # jinja drops one line end


def twin(model: Any) -> Any:
    """A second model over the same weights, so that four peers need memory for one."""
    return copy.deepcopy(model, {id(p): p for p in model.parameters()})


def share_weights(model: nn.Module, source: nn.Module) -> None:
    """Let a model use another's weights and free its own."""
    theirs = dict(source.named_parameters())
    for name, parameter in model.named_parameters():
        parameter.data = theirs[name].data
