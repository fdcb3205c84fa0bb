"""Compares a model folder with the checksums that it came with."""

from __future__ import annotations

import hashlib
from pathlib import Path

from qwen_rerank.errors import ModelLoadError

SUMS = "SHA256SUMS"
"""In the format of `sha256sum`: one hash and one file name a line."""


def check_sums(folder: Path) -> None:
    """Read every file that the folder's `SHA256SUMS` names; without that, nothing.

    Raises:
        ModelLoadError: A file is missing or is not the one that was shipped.
    """
    if not (folder / SUMS).is_file():
        return
    for line in (folder / SUMS).read_text(encoding="utf-8").splitlines():
        wanted, _, name = line.partition("  ")
        if (found := _sum(folder / name)) != wanted:
            raise ModelLoadError(
                f"{folder / name} is damaged: its SHA-256 must be {wanted}, it is {found}"
            )


def write_sums(folder: Path, names: list[str]) -> None:
    """Write the folder's `SHA256SUMS` over these files."""
    lines = [f"{_sum(folder / name)}  {name}\n" for name in sorted(names)]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def _sum(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelLoadError(f"{path} can't be read: {error}") from error
