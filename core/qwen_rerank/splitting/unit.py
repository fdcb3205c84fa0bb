"""What a document is made of, and what it is split into."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Block:
    """A heading, a paragraph, a table, a listing: what a parser finds."""

    text: str
    level: int = 0
    """1 to 6 for a heading, 0 for all else."""
    whole: bool = False
    """Whether it loses its meaning when cut, as tables and code do."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of a document that makes sense by itself."""

    text: str
    """Its words, its own heading included."""
    headings: tuple[str, ...]
    """The headings above it, outermost first, down to its own."""

    @property
    def path(self) -> str:
        """The headings in one line, as metadata and texts show them."""
        return " > ".join(self.headings)

    def with_path(self) -> str:
        """The text under its whole heading path, for embedding and reranking."""
        return "\n".join(part for part in (self.path, self.text) if part)
