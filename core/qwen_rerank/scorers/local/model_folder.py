"""A model's folder: which files it must hold, and what is refused before weights are read.

Folders come from strangers. Nothing in them may run code, name a file outside, or make this
process allocate memory for a model that the files don't hold.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwen_rerank.errors import ModelLoadError
from qwen_rerank.scorers.local.architectures import CAUSAL, CLASSIFIERS

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FILES = ["*.json", "*.safetensors", "chat_template.jinja"]
"""What is downloaded."""
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"

MAX_JSON_BYTES = 16 << 20
"""The index of the 8B model has 33 kB."""
MAX_LAYERS = 1024
"""Qwen3-Reranker-8B has 36."""

_POINTER = b"version https://git-lfs"
QUANTISED = (
    "quantised weights are not read here: serve the model with vLLM and set base_url, or take "
    "the unquantised weights"
)
MERGE = (
    "a LoRA adapter is not applied here: merge it into its base model (merge_and_unload and "
    "save_pretrained of peft) and give the folder of the result"
)
_REMEDIES = {
    "tokenizer.json": "copy it from the base model, or save one with "
    "AutoTokenizer.from_pretrained(...).save_pretrained(...) of transformers"
}
_REFUSED_FILES = {"adapter_config.json": MERGE, "hf_quant_config.json": QUANTISED}


def read_json(path: Path) -> Any:
    """The content of a JSON file of a model.

    Raises:
        ModelLoadError: It is missing, too large, or no JSON.
    """
    check_file(path)
    if path.stat().st_size > MAX_JSON_BYTES:
        raise ModelLoadError(f"{path} has more than {MAX_JSON_BYTES >> 20} MB")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ModelLoadError(f"{path} can't be read: it is nested too deeply") from error
    except (ValueError, OSError) as error:
        raise ModelLoadError(f"{path} can't be read: {error}") from error


def check_file(path: Path) -> None:
    """Refuse what is no regular file, or only Git LFS's pointer to one.

    Raises:
        ModelLoadError: With the remedy.
    """
    if not path.is_file():
        remedy = _REMEDIES.get(path.name, "give a model folder, or download all of its files")
        raise ModelLoadError(f"{path.parent} holds no {path.name}: {remedy}")
    with path.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            raise ModelLoadError(
                f"{path} is a Git LFS pointer, not the file itself: run `git lfs pull` there"
            )


def read_config(folder: Path) -> dict[str, Any]:
    """The `config.json` of a model folder, checked.

    Raises:
        ModelLoadError: It is missing, can't be read, or is no Qwen reranker's.
    """
    for name, remedy in _REFUSED_FILES.items():
        if (folder / name).exists():
            raise ModelLoadError(f"{folder / name}: {remedy}")
    path = folder / "config.json"
    config = read_json(path)
    named = config.get("architectures") if isinstance(config, dict) else None
    known = [*CAUSAL, *CLASSIFIERS]
    if named not in [[name] for name in known]:
        raise ModelLoadError(
            f"{path} must name the architecture {', '.join(known[:-1])} or {known[-1]}, it names "
            f"{named!r}; an encoder runs with engine='sentence-transformers'"
        )
    _check_values(path, config)
    return dict(config)


def _check_values(path: Path, config: dict[str, Any]) -> None:
    if config.get("use_sliding_window"):
        raise ModelLoadError(
            f"{path} sets use_sliding_window: no published Qwen3-Reranker does, and packs let "
            "every token see all before it"
        )
    if quantization := config.get("quantization_config"):
        method = quantization.get("quant_method") if isinstance(quantization, dict) else None
        raise ModelLoadError(f"{path} sets quantization_config ({method}): {QUANTISED}")
    layers = config.get("num_hidden_layers")
    if type(layers) is not int or not 1 <= layers <= MAX_LAYERS:
        raise ModelLoadError(
            f"{path}: num_hidden_layers must be a whole number from 1 to {MAX_LAYERS}, it is "
            f"{layers!r}"
        )


def max_positions(folder: Path) -> int:
    """The longest prompt in tokens that the model was made for."""
    positions = read_config(folder).get("max_position_embeddings")
    if type(positions) is not int or positions < 1:
        raise ModelLoadError(
            f"{folder / 'config.json'}: max_position_embeddings must be a whole number of "
            f"tokens, it is {positions!r}"
        )
    return positions


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a model folder, with no padding or truncation of its own.

    Raises:
        ModelLoadError: There is no `tokenizer.json`, or it can't be read.
    """
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    check_file(path)
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the tokenizers package raises plain Exception
        raise ModelLoadError(f"{path} can't be read: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder: the single one, or those that its index names.

    Raises:
        ModelLoadError: One is missing, or the index names something else.
    """
    if (folder / WEIGHTS).exists():
        names = [WEIGHTS]
    elif (folder / INDEX).exists():
        names = _indexed(folder / INDEX)
    else:
        raise ModelLoadError(
            f"{folder} holds no {WEIGHTS}: only safe tensors are read; convert other weights "
            "with save_pretrained of transformers"
        )
    for name in names:
        check_file(folder / name)
    return [folder / name for name in names]


def _indexed(path: Path) -> list[str]:
    index = read_json(path)
    weight_map = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(weight_map, dict) or not weight_map:
        raise ModelLoadError(f"{path} must hold a weight_map with the file of each tensor")
    for name in weight_map.values():
        if not isinstance(name, str) or Path(name).name != name or "\\" in name:
            raise ModelLoadError(f"{path} names {name!r}, which is no file of this folder")
        if not name.endswith(".safetensors"):
            raise ModelLoadError(f"{path} names {name!r}: only safe tensors are read")
    return sorted(set(weight_map.values()))


def check_files(folder: Path) -> None:
    """Refuse a folder that lacks a file which scoring needs.

    Raises:
        ModelLoadError: It names the file.
    """
    check_file(folder / "config.json")
    check_file(folder / "tokenizer.json")
    weight_files(folder)


def is_complete(folder: Path) -> bool:
    """Whether a folder holds every file that scoring needs."""
    try:
        check_files(folder)
    except ModelLoadError:
        return False
    return True
