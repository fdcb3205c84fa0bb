"""Packs the blocks of a document into units."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from qwen_rerank.splitting.tokens import CountTokens
from qwen_rerank.splitting.unit import Block, Unit

_SENTENCES = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；])|\n+")
_WORDS = re.compile(r"\s+")


def pack(blocks: Iterable[Block], max_tokens: int, count: CountTokens) -> list[Unit]:
    """Make a unit of each section, or several of one that is too long.

    A heading stays with what follows it, also where that is a deeper heading. Tables and code
    are never cut, even if they alone are longer than `max_tokens`. No word is left out.
    """
    units: list[Unit] = []
    for path, section in _sections(blocks):
        texts = _texts(section, max_tokens, count)
        units += [Unit(text, path) for text in texts]
    return units


def _sections(blocks: Iterable[Block]) -> Iterator[tuple[tuple[str, ...], list[Block]]]:
    """Heading paths with the blocks under them; empty sections go into the next one."""
    path: list[Block] = []
    section: list[Block] = []
    for block in blocks:
        if block.level:
            if any(not one.level for one in section):
                yield _names(path), section
                section = []
            path = [*(one for one in path if one.level < block.level), block]
        section.append(block)
    if section:
        yield _names(path), section


def _names(path: list[Block]) -> tuple[str, ...]:
    return tuple(_name(block.text) for block in path)


def _name(heading: str) -> str:
    """A heading without its Markdown signs: leading # or an underline."""
    return heading.partition("\n")[0].strip().strip("#").strip()


def _texts(section: list[Block], max_tokens: int, count: CountTokens) -> Iterator[str]:
    """Texts of at most `max_tokens`, cut between blocks if possible."""
    text, headings_only = "", True
    for block in section:
        for piece in [block.text] if block.whole else _pieces(block.text, max_tokens, count):
            joined = f"{text}\n\n{piece}" if text else piece
            if text and not headings_only and count(joined) > max_tokens:
                yield text
                joined = piece
            text, headings_only = joined, headings_only and bool(block.level)
    if text:
        yield text


def _pieces(text: str, max_tokens: int, count: CountTokens) -> Iterator[str]:
    """A text as it is if it fits, else cut at sentences, else at words."""
    if count(text) <= max_tokens:
        yield text
        return
    parts = [part for part in _SENTENCES.split(text) if part]
    if len(parts) == 1:
        parts = [part for part in _WORDS.split(text) if part]
    if len(parts) == 1:
        parts = [text[: len(text) // 2], text[len(text) // 2 :]] if len(text) > 1 else []
        yield from (piece for part in parts for piece in _pieces(part, max_tokens, count))
        return
    yield from _filled(parts, max_tokens, count)


def _filled(parts: list[str], max_tokens: int, count: CountTokens) -> Iterator[str]:
    held = ""
    for part in parts:
        joined = f"{held} {part}" if held else part
        if count(joined) <= max_tokens:
            held = joined
            continue
        if held:
            yield held
        *full, held = _pieces(part, max_tokens, count)
        yield from full
    if held:
        yield held
