"""Which state of a model a folder holds."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from qwen_rerank.scorers.local.hub import BUILTIN_FOLDER

SUMS = "SHA256SUMS"
"""Made by the training recipe; a test compares the files with it."""
READ_WHOLE = 64 << 20
"""Bytes; of a larger file only size and time are looked at, for reading it takes seconds."""

_COMMIT = re.compile("[0-9a-f]{40}")


def revision_of(folder: Path) -> str:
    """The commit, if a hub's cache names one; else a hash of what the folder holds."""
    if _is_of_a_hub(folder):
        return folder.name
    digest = hashlib.blake2b(digest_size=16)
    # the built-in model's own record stands for its weights: they come with the package
    names = [SUMS] if folder == BUILTIN_FOLDER else ["*.json", "*.safetensors"]
    paths = [path for name in names for path in folder.glob(name) if path.is_file()]
    for path in sorted(paths):
        content = _content(path)
        digest.update(f"{path.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _is_of_a_hub(folder: Path) -> bool:
    """Whether it lies as Hugging Face's cache lays it: others call folders `snapshots` too."""
    snapshots, repository = folder.parent, folder.parent.parent
    in_cache = snapshots.name == "snapshots" and repository.name.startswith("models--")
    return in_cache and _COMMIT.fullmatch(folder.name) is not None


def _content(path: Path) -> bytes:
    about = path.stat()
    if about.st_size <= READ_WHOLE:
        return path.read_bytes()
    return f"{about.st_size} bytes of {about.st_mtime_ns}".encode()
