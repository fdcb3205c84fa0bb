"""What a visitor has set in the side panel."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Choice:
    """The settings of one request."""

    top_n: int | None
    """`None` means all."""
    instruction: str | None
    """`None` means the server's own."""
    may_ask: bool
    """Whether the key is right, where there is one."""
