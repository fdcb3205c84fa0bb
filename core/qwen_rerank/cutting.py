"""Cuts the end of a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def cut_to_bytes(text: str, most: int) -> str:
    """The start of a text, at most so many bytes of UTF-8; no character is cut in two."""
    if len(text) * 4 <= most:  # no character has more than 4 bytes
        return text
    return text.encode()[:most].decode(errors="ignore")


def cut_to_tokens(text: str, most: int, tokenizer: Tokenizer) -> str:
    """The start of a text, at most so many tokens where it follows a space, as in a prompt."""
    offsets = tokenizer.encode(f" {text}", add_special_tokens=False).offsets
    return text if len(offsets) <= most else text[: offsets[most - 1][1] - 1]
