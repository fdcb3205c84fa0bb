"""Which state of a model a folder holds."""

from __future__ import annotations

import hashlib
from pathlib import Path

READ_WHOLE = 64 << 20
"""Bytes; of a larger file only size and time are looked at, for reading it takes seconds."""


def revision_of(folder: Path) -> str:
    """The commit, if a hub's cache names one; else a hash of what the folder holds."""
    if folder.parent.name == "snapshots":
        return folder.name
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")]):
        content = _content(path)
        digest.update(f"{path.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _content(path: Path) -> bytes:
    about = path.stat()
    if about.st_size <= READ_WHOLE:
        return path.read_bytes()
    return f"{about.st_size} bytes of {about.st_mtime_ns}".encode()
