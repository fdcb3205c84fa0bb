"""Finds the folder of a model: built in, on this disk, or on a hub."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from qwen_rerank.errors import ConfigError, MissingDependencyError, ModelLoadError

BUILTIN = "builtin"
BUILTIN_FOLDER = Path(__file__).parents[2] / "builtin"
HUB_VARIABLE = "QWEN_RERANK_HUB"

_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_FILES = ["*.json", "*.safetensors"]

logger = logging.getLogger(__name__)


def find_model(model: str, hub: str | None = None, *, download: bool = True) -> Path:
    """The folder of a model, downloaded first if it has to be.

    Args:
        model: `"builtin"`, a folder, or a hub id such as `"Qwen/Qwen3-Reranker-0.6B"`.
        hub: `"huggingface"` or `"modelscope"`; `None` asks the environment variable
            `QWEN_RERANK_HUB`, and without it tries Hugging Face, then ModelScope if its
            package is installed.
        download: Whether to fetch what is not on this machine yet.

    Raises:
        ModelLoadError: There is no such folder, or no hub could deliver the model.
        ConfigError: The hub's name is unknown.
        MissingDependencyError: The hub that was asked for needs a package.
    """
    if (folder := local_folder(model)) is not None:
        return folder
    if not _HUB_ID.fullmatch(model):
        raise ModelLoadError(
            f"model {model!r} is neither a folder on this machine, nor a hub id such as "
            f"'Qwen/Qwen3-Reranker-0.6B', nor {BUILTIN!r}"
        )
    return _from_hubs(model, hub or os.environ.get(HUB_VARIABLE) or None, download)


def local_folder(model: str) -> Path | None:
    """The model's folder if it is one on this machine, in its one true spelling."""
    if model == BUILTIN:
        return BUILTIN_FOLDER
    folder = Path(os.path.expanduser(model))  # noqa: PTH111 - Path raises for unknown users
    return folder.resolve() if folder.is_dir() else None


def _from_hubs(model: str, hub: str | None, download: bool) -> Path:
    if hub is not None and hub not in HUBS:
        raise ConfigError(f"hub must be one of {sorted(HUBS)}, got {hub!r} ({HUB_VARIABLE})")
    failures = []
    for name in [hub] if hub else HUBS:
        try:
            return Path(HUBS[name](model, not download))
        except MissingDependencyError as missing:
            if hub:
                raise
            failures.append(f"{name}: {missing}")
        except Exception as failure:  # each hub has a tree of its own, of network errors too
            logger.warning("no %s from %s: %s", model, name, _first_line(failure))
            failures.append(f"{name}: {type(failure).__name__}: {_first_line(failure)}")
    raise ModelLoadError(
        f"model {model!r} {'could not be downloaded' if download else 'is not downloaded yet'}: "
        f"{'; '.join(failures)}. Give a folder that holds it, choose a hub with "
        f'{HUB_VARIABLE}=modelscope, or use model="{BUILTIN}"'
    )


def _from_huggingface(model: str, local_files_only: bool) -> str:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingDependencyError("huggingface_hub", "local") from error
    return snapshot_download(model, allow_patterns=_FILES, local_files_only=local_files_only)


def _from_modelscope(model: str, local_files_only: bool) -> str:
    try:
        from modelscope import snapshot_download
    except ImportError as error:
        raise MissingDependencyError("modelscope", "modelscope") from error
    return str(snapshot_download(model, allow_patterns=_FILES, local_files_only=local_files_only))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]


HUBS: Mapping[str, Callable[[str, bool], str]] = {
    "huggingface": _from_huggingface,
    "modelscope": _from_modelscope,
}
