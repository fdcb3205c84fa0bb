"""Reads a Qwen3-Reranker checkpoint: its tokenizer, its backbone, and its answer as one row."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from qwen_rerank.errors import ModelLoadError

CAUSAL = "Qwen3ForCausalLM"
CLASSIFIER = "Qwen3ForSequenceClassification"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What scoring needs of a model, and nothing else: no vocabulary logits."""

    backbone: nn.Module
    """transformers' own `Qwen3Model`, in eval mode."""
    answer: Tensor
    """W_yes - W_no in fp32, of shape (hidden,): its product with the last token's hidden
    state is the log-odds of "yes"."""


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a model folder, with no padding or truncation of its own.

    Raises:
        ModelLoadError: There is no `tokenizer.json`, or it can't be read.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ModelLoadError(f"{folder} holds no tokenizer.json: is it a model folder?")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the tokenizers package raises plain Exception
        raise ModelLoadError(f"{path} can't be read: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def read_config(folder: Path) -> dict[str, Any]:
    """The `config.json` of a model folder, with the architecture checked.

    Raises:
        ModelLoadError: It is missing, can't be read, or is no Qwen3 reranker's.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise ModelLoadError(f"{folder} holds no config.json: is it a model folder?")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        architectures = list(config.get("architectures") or [])
    except (ValueError, AttributeError, TypeError) as error:
        raise ModelLoadError(f"{path} can't be read: {error}") from error
    if not set(architectures) & {CAUSAL, CLASSIFIER}:
        raise ModelLoadError(
            f"{path} must name the architecture {CAUSAL} or {CLASSIFIER}, "
            f"it names {architectures or 'none'}"
        )
    return cast("dict[str, Any]", config)


def read_checkpoint(
    folder: Path, answers: tuple[int, int], device: torch.device, dtype: torch.dtype
) -> Checkpoint:
    """Load the weights of a model folder onto a device.

    Args:
        folder: Holds `config.json` and safetensors; other weight formats are not read.
        answers: The token ids of "yes" and "no", in this order.
        device: Where the backbone goes; the answer row goes along.
        dtype: Of the backbone; the answer row is always fp32.

    Raises:
        ModelLoadError: The folder holds no whole Qwen3 reranker.
    """
    classifier = CLASSIFIER in read_config(folder)["architectures"]
    if not any(folder.glob("*.safetensors")):
        raise ModelLoadError(f"{folder} holds no *.safetensors: only safe tensors are read")
    model = _read_weights(folder, dtype, classifier=classifier)
    answer = _classifier_row(model) if classifier else _vocabulary_row(model, answers)
    backbone = cast(nn.Module, model.model).eval().requires_grad_(False)
    return Checkpoint(backbone.to(device), answer.to(device))


def _read_weights(folder: Path, dtype: torch.dtype, *, classifier: bool) -> Any:
    kind: Any = AutoModelForSequenceClassification if classifier else AutoModelForCausalLM
    try:
        model, report = kind.from_pretrained(
            folder,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise ModelLoadError(f"the weights in {folder} can't be read: {error}") from error
    missing = sorted(report["missing_keys"])
    if missing:  # transformers would fill them with noise and go on
        raise ModelLoadError(f"the weights in {folder} lack {missing[:3]} ({len(missing)} in all)")
    return model


def _vocabulary_row(model: Any, answers: tuple[int, int]) -> Tensor:
    weight = model.get_output_embeddings().weight  # tied (0.6B, 4B) or not (8B)
    yes, no = answers
    return cast(Tensor, weight[yes].detach().float() - weight[no].detach().float())


def _classifier_row(model: Any) -> Tensor:
    weight = model.score.weight.detach().float()
    if len(weight) == 1:  # the conversion already subtracted "no" from "yes"
        return cast(Tensor, weight[0])
    if len(weight) == 2:  # rows in the order no, yes
        return cast(Tensor, weight[1] - weight[0])
    raise ModelLoadError(f"a reranker's classifier has 1 or 2 labels, this one has {len(weight)}")
