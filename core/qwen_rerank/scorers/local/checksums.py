"""Compares a model folder with the checksums that it came with."""

from __future__ import annotations

import hashlib
from pathlib import Path

from qwen_rerank.errors import ModelLoadError

SUMS = "SHA256SUMS"
"""In the format of `sha256sum`: one hash and one file name a line."""


def check_sums(folder: Path) -> dict[str, str]:
    """Read every file that the folder's `SHA256SUMS` names; without that, nothing.

    Returns:
        The SHA-256 of each by name, so that nobody has to read it again to know it.

    Raises:
        ModelLoadError: A file is missing or is not the one that was shipped.
    """
    if not (folder / SUMS).is_file():
        return {}
    sums: dict[str, str] = {}
    lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    for line in filter(str.strip, lines):
        wanted, name = line[:64], line[66:]  # between them a blank, and a blank or a star
        if (found := _sum(folder / name)) != wanted:
            raise ModelLoadError(
                f"{folder / name} is damaged: its SHA-256 must be {wanted}, it is {found}"
            )
        sums[name] = found
    return sums


def write_sums(folder: Path, names: list[str]) -> None:
    """Write the folder's `SHA256SUMS` over these files."""
    lines = [f"{_sum(folder / name)}  {name}\n" for name in sorted(names)]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def _sum(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelLoadError(f"{path} can't be read: {error}") from error
