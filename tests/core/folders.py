"""Changes to a copy of the built-in model's folder, and its scores."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from qwen_rerank import LocalScorer
from qwen_rerank.scorers.local.hub import BUILTIN_FOLDER
from qwen_rerank.scorers.local.model_folder import read_tokenizer

Tensors = dict[str, Tensor]

QUERY, DOCUMENTS = "red planet", ["Mars is red.", "Venus is bright."]
HIDDEN, TOKENS = 384, 24_013
"""Of the built-in model."""


def configure(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def write(folder: Path, name: str, content: Any) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def change_tensors(folder: Path, change: Callable[[Tensors], None]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def add(folder: Path, **tensors: Tensor) -> None:
    named = {name.replace("__", "."): tensor for name, tensor in tensors.items()}
    change_tensors(folder, lambda all_: all_.update(named))


def scores(model: Path | str) -> list[float]:
    return LocalScorer(str(model), "cpu").score(QUERY, DOCUMENTS)


def to_classifier(folder: Path, rows: list[int], **config: Any) -> None:
    """Rows of the score layer are those of these tokens."""

    def change(tensors: Tensors) -> None:
        tensors["score.weight"] = tensors["model.embed_tokens.weight"][rows].clone()

    change_tensors(folder, change)
    configure(folder, architectures=["Qwen3ForSequenceClassification"], **config)


def answer_tokens() -> tuple[int, int]:
    tokenizer = read_tokenizer(BUILTIN_FOLDER)
    yes, no = (tokenizer.encode(word, add_special_tokens=False).ids[0] for word in ("yes", "no"))
    return yes, no


def logit_score(folder: Path, **config: Any) -> None:
    kind = "sentence_transformers.cross_encoder.modules.logit_score.LogitScore"
    write(folder, "modules.json", [{"path": "1_LogitScore", "type": kind}])
    write(folder, "1_LogitScore/config.json", config)
