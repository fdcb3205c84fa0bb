"""What a visitor asks for: the texts, and the settings of the side panel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Comparison = Literal["off", "instruction", "model"]


@dataclass(frozen=True, slots=True)
class Choice:
    """The settings of one request."""

    top_n: int | None = None
    """`None` means all."""
    instruction: str | None = None
    """`None` means the server's own."""
    comparison: Comparison = "off"
    """What a second ranking differs in, if there is one."""
    other_instruction: str | None = None
    """The instruction of the second ranking, if that is what differs."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What a result was made from. Equal requests have equal results."""

    query: str
    documents: tuple[str, ...]
    choice: Choice
