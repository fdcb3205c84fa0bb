"""Writes the checksums that the built-in model comes with."""

from __future__ import annotations

import hashlib
from pathlib import Path

SUMS = "SHA256SUMS"
"""In the format of `sha256sum`: one hash and one file name a line."""


def write_sums(folder: Path, names: list[str]) -> None:
    """Write the folder's `SHA256SUMS` over these files."""
    lines = [f"{_sum(folder / name)}  {name}\n" for name in sorted(names)]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
