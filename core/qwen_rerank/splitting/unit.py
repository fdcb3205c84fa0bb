"""The blocks that a parser finds, and the units that a document is split into."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Block:
    """A heading, a paragraph, a table or a listing."""

    text: str
    level: int = 0
    """1 to 6 for a heading, 0 for all else."""
    whole: bool = False
    """Whether it is never cut: a table or code."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of a document that can be understood alone."""

    text: str
    """Its content, with its own heading."""
    headings: tuple[str, ...]
    """The headings above it, outermost first, down to its own."""

    @property
    def path(self) -> str:
        """The headings in one line, with ` > ` between them."""
        return " > ".join(self.headings)

    def with_path(self) -> str:
        """The text under its whole heading path, for embedding and reranking."""
        return "\n".join(part for part in (self.path, self.text) if part)
