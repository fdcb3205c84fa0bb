"""Reads a reranker's checkpoint: its backbone, and its answer as one row.

The safetensors are read here, not by `from_pretrained` of transformers. That one patches
classes of the whole process while it loads, so that a user's own load at the same time breaks
ours; it also runs `torch.load`, LoRA adapters and attention kernels that a folder names, and
fills missing tensors with noise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from qwen_rerank.errors import ModelLoadError
from qwen_rerank.scorers.local.architectures import CLASSIFIERS, architecture_of
from qwen_rerank.scorers.local.cpu.heap import return_freed_memory
from qwen_rerank.scorers.local.cpu.low_precision import LAYER_KINDS, NARROW
from qwen_rerank.scorers.local.cpu.lowering import lower_part
from qwen_rerank.scorers.local.declared_scoring import check_modules, yes_row_is_first
from qwen_rerank.scorers.local.encoder import AnswerIds
from qwen_rerank.scorers.local.model_folder import read_config
from qwen_rerank.scorers.local.weights import TensorShape, Weights

HEAD = "lm_head.weight"
EMBEDDING = "model.embed_tokens.weight"
SCORE = "score.weight"

_UNREAD = re.compile(r"rotary_emb\.inv_freq$|^mtp\.")
"""Tensors that models are published with and scores don't need: what is computed anew, and the
layers that predict further tokens."""

_ATTENTION_KEYS = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal")
"""The engine has its own attention; a kernel that a folder names is never fetched."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What scoring needs of a model, and nothing else: no vocabulary logits."""

    backbone: nn.Module
    """transformers' own model without a head, in eval mode."""
    answer: Tensor
    """W_plus - W_minus in fp32, of shape (hidden,): its product with the last token's hidden
    state is the log-odds of "yes"."""
    packs: bool = True
    """Whether prompts can stand in one row."""

    @property
    def width(self) -> int:
        """Of the hidden states."""
        return len(self.answer)


def read_checkpoint(
    folder: Path,
    tokenizer: Tokenizer,
    answers: AnswerIds,
    device: torch.device,
    dtype: torch.dtype,
) -> Checkpoint:
    """Load the weights of a model folder onto a device.

    Everything is checked before a tensor is read.

    Args:
        folder: Holds `config.json` and safetensors; other weight formats are not read.
        tokenizer: Of the same model.
        answers: The token ids of the answer.
        device: Where the backbone goes; the answer row goes along.
        dtype: Of the backbone's products and embeddings; the answer row is always fp32.

    Raises:
        ModelLoadError: The folder holds no whole Qwen reranker, or the device no room for it.
    """
    config, weights = read_config(folder), Weights(folder)
    check_modules(folder, tokenizer, answers)
    _check_kind(folder, config, weights)
    backbone = _empty_backbone(folder, config)
    _check_tensors(folder, config, weights, backbone)
    _check_vocabulary(folder, tokenizer, weights)
    answer = _answer(folder, config, weights, answers)
    try:
        filled = _fill(backbone, weights, device, dtype)
        return Checkpoint(filled, answer.to(device), architecture_of(config).packs)
    except torch.OutOfMemoryError as error:
        raise ModelLoadError(f"{device} has no memory for {folder} in {dtype}: {error}") from error


def _is_classifier(config: dict[str, Any]) -> bool:
    return config["architectures"][0] in CLASSIFIERS


def _check_kind(folder: Path, config: dict[str, Any], weights: Weights) -> None:
    """Refuse weights of another kind of model, and layers that the files don't hold."""
    if "embed_tokens.weight" in weights.shapes and EMBEDDING not in weights.shapes:
        raise ModelLoadError(
            f"{folder} holds a model without a head, as embedding models are saved: it gives no "
            "yes or no; choose a Qwen3-Reranker"
        )
    if _is_classifier(config) and SCORE not in weights.shapes:
        named = config["architectures"][0]
        causal = f"{architecture_of(config).name}ForCausalLM"
        raise ModelLoadError(
            f"{folder / 'config.json'} names {named}, and the weights lack {SCORE}: if they are "
            f'the original ones, set "architectures": ["{causal}"]'
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
    settings, model = architecture_of(config).classes()
    try:
        with torch.device("meta"):
            return model(settings.from_dict(known))
    except Exception as error:  # transformers and torch raise every kind for a wrong value
        reason = " ".join(str(error).split())  # some have several lines
        raise ModelLoadError(f"{folder / 'config.json'} can't be read: {reason}") from error


def _check_tensors(folder: Path, config: dict[str, Any], weights: Weights, backbone: Any) -> None:
    """Refuse tensors that are missing, misshapen or of no use."""
    shapes: dict[str, TensorShape] = {
        f"model.{name}": tuple(tensor.shape) for name, tensor in backbone.state_dict().items()
    }
    wanted = dict(shapes)
    optional = {name for name in weights.shapes if _UNREAD.search(name)}
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


def _answer(folder: Path, config: dict[str, Any], weights: Weights, answers: AnswerIds) -> Tensor:
    if not _is_classifier(config):
        return _vocabulary_row(folder, config, weights, answers)
    if weights.shapes[SCORE][0] == 1:  # the conversion already subtracted "no" from "yes"
        return weights.row(SCORE, 0)
    difference = weights.row(SCORE, 1) - weights.row(SCORE, 0)
    return -difference if yes_row_is_first(folder, config) else difference


def _vocabulary_row(
    folder: Path, config: dict[str, Any], weights: Weights, answers: AnswerIds
) -> Tensor:
    """From the head, or from the embedding where the model ties both (0.6B and 4B do)."""
    tied = config.get("tie_word_embeddings", False)
    heads = [name for name in (EMBEDDING if tied else "", HEAD) if name in weights.shapes]
    if not heads:
        raise ModelLoadError(
            f"the weights in {folder} lack {HEAD}, and config.json does not set "
            "tie_word_embeddings: set it to true if the model was trained so (0.6B and 4B were), "
            "or download all of the files"
        )
    rows = [_difference(weights, head, *answers) for head in heads]
    if not torch.equal(rows[0], rows[-1]):
        raise ModelLoadError(
            f"{folder / 'config.json'} sets tie_word_embeddings, and the weights hold another "
            f"{HEAD}: set it to false if the head was trained, or remove that tensor"
        )
    return rows[0]


def _difference(weights: Weights, head: str, plus: int, minus: int | None) -> Tensor:
    row = weights.row(head, plus)
    return row if minus is None else row - weights.row(head, minus)


def _fill(backbone: Any, weights: Weights, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """Part by part, so that memory never holds a whole model in more bits than it will have."""
    low = device.type == "cpu" and dtype in LAYER_KINDS
    if low and backbone.config.hidden_size < NARROW:
        low, dtype = False, torch.float32
    for path in _parts(backbone):
        part = backbone.get_submodule(path)
        names = {f"model.{path}.{name}": name for name in part.state_dict()}
        stored = _stored(part) if low else dtype
        tensors = weights.read(names, device, stored)
        part.load_state_dict({names[name]: t for name, t in tensors.items()}, assign=True)
        if low:
            del part, tensors
            lower_part(backbone, path, LAYER_KINDS[dtype])
            return_freed_memory()
    # its frequencies are computed, not stored: in memory this time
    backbone.rotary_emb = type(backbone.rotary_emb)(backbone.config)
    return cast(nn.Module, backbone.eval().requires_grad_(False).to(device))


def _stored(part: nn.Module) -> torch.dtype | None:
    """What a part is read as before it is put into low precision; embeddings as they are."""
    return None if isinstance(part, nn.Embedding) else torch.float32


def _parts(backbone: Any) -> list[str]:
    layers = [f"layers.{place}" for place in range(len(backbone.layers))]
    others = [name for name, _ in backbone.named_children() if name != "layers"]
    return [*others, *layers]
