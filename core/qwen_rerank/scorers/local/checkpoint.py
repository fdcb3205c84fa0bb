"""Reads a Qwen3-Reranker checkpoint: its tokenizer, its backbone, and its answer as one row."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification
from transformers.utils import logging as hf_logging

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
    except ValueError as error:
        raise ModelLoadError(f"{path} can't be read: {error}") from error
    named = config.get("architectures") if isinstance(config, dict) else None
    if named not in ([CAUSAL], [CLASSIFIER]):
        raise ModelLoadError(
            f"{path} must name the architecture {CAUSAL} or {CLASSIFIER}, it names {named!r}"
        )
    if config.get("use_sliding_window"):
        raise ModelLoadError(
            f"{path} sets use_sliding_window: no published Qwen3-Reranker does, and packs let "
            "every token see all before it"
        )
    return cast("dict[str, Any]", config)


def max_positions(folder: Path) -> int:
    """The longest prompt in tokens that the model was made for."""
    positions = read_config(folder).get("max_position_embeddings")
    if type(positions) is not int or positions < 1:
        raise ModelLoadError(
            f"{folder / 'config.json'}: max_position_embeddings must be a whole number of "
            f"tokens, it is {positions!r}"
        )
    return positions


def read_checkpoint(
    folder: Path,
    tokenizer: Tokenizer,
    answers: tuple[int, int],
    device: torch.device,
    dtype: torch.dtype,
) -> Checkpoint:
    """Load the weights of a model folder onto a device.

    Args:
        folder: Holds `config.json` and safetensors; other weight formats are not read.
        tokenizer: Of the same model.
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
    rows, tokens = model.get_input_embeddings().num_embeddings, tokenizer.get_vocab_size()
    if tokens > rows:
        raise ModelLoadError(f"{folder}: the tokenizer has {tokens} tokens, the model {rows}")
    answer = _classifier_row(model) if classifier else _vocabulary_row(model, answers)
    backbone = cast(nn.Module, model.model).eval().requires_grad_(False)
    return Checkpoint(backbone.to(device), answer.to(device))


def _read_weights(folder: Path, dtype: torch.dtype, *, classifier: bool) -> Any:
    kind: Any = AutoModelForSequenceClassification if classifier else AutoModelForCausalLM
    try:
        with _quiet():
            model, report = kind.from_pretrained(
                folder,
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
    except Exception as error:  # transformers and what it uses raise of every kind
        raise ModelLoadError(f"the weights in {folder} can't be read: {error}") from error
    missing = sorted(report["missing_keys"])
    if missing:  # transformers would fill them with noise and go on
        raise ModelLoadError(f"the weights in {folder} lack {missing[:3]} ({len(missing)} in all)")
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' bar and report: what is wrong with weights, we raise."""
    level, bar = hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled()
    hf_logging.set_verbosity(logging.CRITICAL)
    hf_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        hf_logging.set_verbosity(level)
        if bar:
            hf_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


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
