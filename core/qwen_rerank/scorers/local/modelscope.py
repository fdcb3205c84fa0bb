"""Models of the ModelScope hub."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import requests

from qwen_rerank.errors import ModelLoadError
from qwen_rerank.extras import require_package
from qwen_rerank.scorers.local.model_folder import FILES, is_complete


def require() -> None:
    """Refuse if the hub's package is missing.

    Raises:
        MissingDependencyError: modelscope is not installed.
    """
    require_package("modelscope", "modelscope")


def look_up(model: str, revision: str | None, seconds: float) -> None:  # noqa: ARG001 - as others
    """Ask the hub whether it has a model.

    Raises:
        ModelLoadError: It has not, or it gives no sensible reply.
    """
    try:
        reply = requests.get(f"{_endpoint()}/api/v1/models/{model}", timeout=seconds)
        reply.json()  # a portal or proxy may reply instead of the hub
    except requests.RequestException as error:
        raise ModelLoadError(f"can't be reached ({type(error).__name__})") from error
    if not reply.ok:
        raise ModelLoadError(f"has no such model (HTTP {reply.status_code})")


def download(model: str, revision: str | None) -> str:
    """Fetch what scoring needs into the hub's cache; returns the folder."""
    from modelscope import snapshot_download

    return str(snapshot_download(model, revision=revision, allow_patterns=FILES))


def cached(model: str, revision: str | None) -> Path | None:
    """The folder of the newest complete copy in the hub's cache; needs no package."""
    folders = [folder for folder in _folders(model, revision) if is_complete(folder)]
    return max(folders, key=lambda folder: folder.stat().st_mtime, default=None)


def _endpoint() -> str:
    if endpoint := os.environ.get("MODELSCOPE_ENDPOINT"):
        return endpoint.rstrip("/")
    return f"https://{os.environ.get('MODELSCOPE_DOMAIN') or 'www.modelscope.cn'}"


def _folders(model: str, revision: str | None) -> Iterator[Path]:
    """Where the versions of modelscope lay models: by revision now, without it before."""
    root = Path(os.environ.get("MODELSCOPE_CACHE") or "~/.cache/modelscope").expanduser()
    owner, name = model.split("/")
    yield from (root / "models" / f"{owner}--{name}" / "snapshots").glob(revision or "*")
    if revision is None:
        for parent in ("models", "hub/models", ".", "hub"):
            for spelling in (name.replace(".", "___"), name):
                yield root / parent / owner / spelling
