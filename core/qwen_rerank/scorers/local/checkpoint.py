"""Reads a Qwen3-Reranker checkpoint: its backbone, and its answer as one row.

The safetensors are read here, not by `from_pretrained` of transformers. That one patches
classes of the whole process while it loads, so that a user's own load at the same time breaks
ours; it also runs `torch.load`, LoRA adapters and attention kernels that a folder names, and
fills missing tensors with noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import Qwen3Config, Qwen3Model

from qwen_rerank.errors import ModelLoadError
from qwen_rerank.scorers.local.declared_scoring import check_modules, yes_row_is_first
from qwen_rerank.scorers.local.model_folder import CAUSAL, CLASSIFIER, read_config
from qwen_rerank.scorers.local.weights import Shape, Weights

HEAD = "lm_head.weight"
EMBEDDING = "model.embed_tokens.weight"
SCORE = "score.weight"

_ATTENTION_KEYS = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal")
"""The engine has its own attention; a kernel that a folder names is never fetched."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What scoring needs of a model, and nothing else: no vocabulary logits."""

    backbone: nn.Module
    """transformers' own `Qwen3Model`, in eval mode."""
    answer: Tensor
    """W_yes - W_no in fp32, of shape (hidden,): its product with the last token's hidden
    state is the log-odds of "yes"."""


def read_checkpoint(
    folder: Path,
    tokenizer: Tokenizer,
    answers: tuple[int, int],
    device: torch.device,
    dtype: torch.dtype,
) -> Checkpoint:
    """Load the weights of a model folder onto a device.

    Everything is checked before a tensor is read.

    Args:
        folder: Holds `config.json` and safetensors; other weight formats are not read.
        tokenizer: Of the same model.
        answers: The token ids of "yes" and "no", in this order.
        device: Where the backbone goes; the answer row goes along.
        dtype: Of the backbone; the answer row is always fp32.

    Raises:
        ModelLoadError: The folder holds no whole Qwen3 reranker, or the device no room for it.
    """
    config, weights = read_config(folder), Weights(folder)
    check_modules(folder, tokenizer, answers)
    _check_kind(folder, config, weights)
    backbone = _empty_backbone(folder, config)
    _check_tensors(folder, config, weights, backbone)
    _check_vocabulary(folder, tokenizer, weights)
    answer = _answer(folder, config, weights, answers)
    try:
        return Checkpoint(_fill(backbone, weights, device, dtype), answer.to(device))
    except torch.OutOfMemoryError as error:
        raise ModelLoadError(f"{device} has no memory for {folder} in {dtype}: {error}") from error


def _is_classifier(config: dict[str, Any]) -> bool:
    return bool(config["architectures"] == [CLASSIFIER])


def _check_kind(folder: Path, config: dict[str, Any], weights: Weights) -> None:
    """Refuse weights of another kind of model, and layers that the files don't hold."""
    if "embed_tokens.weight" in weights.shapes and EMBEDDING not in weights.shapes:
        raise ModelLoadError(
            f"{folder} holds a model without a head, as embedding models are saved: it gives no "
            "yes or no; choose a Qwen3-Reranker"
        )
    if _is_classifier(config) and SCORE not in weights.shapes:
        raise ModelLoadError(
            f"{folder / 'config.json'} names {CLASSIFIER}, and the weights lack {SCORE}: if they "
            f'are the original ones, set "architectures": ["{CAUSAL}"]'
        )
    layers = config["num_hidden_layers"]
    if weights.layers and weights.layers < layers:  # before a model of so many layers is built
        raise ModelLoadError(
            f"the weights in {folder} lack layers.{weights.layers} to layers.{layers - 1}: "
            f"config.json sets num_hidden_layers to {layers}; are the files complete?"
        )


def _empty_backbone(folder: Path, config: dict[str, Any]) -> Any:
    """On the meta device, where tensors have shapes and no memory."""
    known = {key: value for key, value in config.items() if key not in _ATTENTION_KEYS}
    try:
        with torch.device("meta"):
            return Qwen3Model(Qwen3Config.from_dict(known))
    except Exception as error:  # transformers and torch raise every kind for a wrong value
        reason = " ".join(str(error).split())  # some have several lines
        raise ModelLoadError(f"{folder / 'config.json'} can't be read: {reason}") from error


def _check_tensors(folder: Path, config: dict[str, Any], weights: Weights, backbone: Any) -> None:
    """Refuse tensors that are missing, misshapen or of no use."""
    shapes: dict[str, Shape] = {
        f"model.{name}": tuple(tensor.shape) for name, tensor in backbone.state_dict().items()
    }
    wanted = dict(shapes)
    optional = {name for name in weights.shapes if name.endswith("rotary_emb.inv_freq")}
    if _is_classifier(config):
        labels = weights.shapes[SCORE][0] if weights.shapes[SCORE] else 0
        wanted[SCORE] = (labels, backbone.config.hidden_size)
    else:
        optional.add(HEAD)
    weights.check(wanted, optional)
    if _is_classifier(config) and labels not in {1, 2}:
        raise ModelLoadError(f"a reranker's classifier has 1 or 2 labels, {folder} has {labels}")
    if not _is_classifier(config) and HEAD in weights.shapes:
        weights.check({**shapes, HEAD: shapes[EMBEDDING]}, optional)


def _check_vocabulary(folder: Path, tokenizer: Tokenizer, weights: Weights) -> None:
    rows, tokens = weights.shapes[EMBEDDING][0], tokenizer.get_vocab_size()
    if tokens > rows:
        raise ModelLoadError(f"{folder}: the tokenizer has {tokens} tokens, the model {rows}")


def _answer(
    folder: Path, config: dict[str, Any], weights: Weights, answers: tuple[int, int]
) -> Tensor:
    if not _is_classifier(config):
        return _vocabulary_row(folder, config, weights, answers)
    if weights.shapes[SCORE][0] == 1:  # the conversion already subtracted "no" from "yes"
        return weights.row(SCORE, 0)
    difference = weights.row(SCORE, 1) - weights.row(SCORE, 0)
    return -difference if yes_row_is_first(folder, config) else difference


def _vocabulary_row(
    folder: Path, config: dict[str, Any], weights: Weights, answers: tuple[int, int]
) -> Tensor:
    """From the head, or from the embedding where the model ties both (0.6B and 4B do)."""
    yes, no = answers
    tied = config.get("tie_word_embeddings", False)
    heads = [name for name in (EMBEDDING if tied else "", HEAD) if name in weights.shapes]
    if not heads:
        raise ModelLoadError(
            f"the weights in {folder} lack {HEAD}, and config.json does not set "
            "tie_word_embeddings: set it to true if the model was trained so (0.6B and 4B were), "
            "or download all of the files"
        )
    rows = [weights.row(head, yes) - weights.row(head, no) for head in heads]
    if not torch.equal(rows[0], rows[-1]):
        raise ModelLoadError(
            f"{folder / 'config.json'} sets tie_word_embeddings, and the weights hold another "
            f"{HEAD}: set it to false if the head was trained, or remove that tensor"
        )
    return rows[0]


def _fill(backbone: Any, weights: Weights, device: torch.device, dtype: torch.dtype) -> nn.Module:
    names = [f"model.{name}" for name in backbone.state_dict()]
    tensors = weights.read(names, device, dtype)
    state = {name.removeprefix("model."): tensor for name, tensor in tensors.items()}
    backbone.load_state_dict(state, assign=True)
    # its frequencies are computed, not stored: in memory this time
    backbone.rotary_emb = type(backbone.rotary_emb)(backbone.config)
    return cast(nn.Module, backbone.eval().requires_grad_(False).to(device))
