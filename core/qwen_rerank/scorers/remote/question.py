"""What a server is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """One batch: what a request is built from, in no server's words yet."""

    model: str
    query: str
    documents: Sequence[str]
    instruction: str | None = None
    """`None` leaves it to the server."""
