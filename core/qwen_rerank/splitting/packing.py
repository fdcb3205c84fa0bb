"""Packs the blocks of a document into units."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

from qwen_rerank.errors import ConfigError
from qwen_rerank.splitting.tokens import CountTokens
from qwen_rerank.splitting.unit import Block, Unit

BOUNDARIES = (
    re.compile(r"(?<=[.!?])\s+|(?<=[。！？；])|\n+"),  # sentences and lines
    re.compile(r"\s+"),  # words
)
"""Where a text is cut, the best places first."""

Fits = Callable[[str], bool]


def pack(blocks: Iterable[Block], max_tokens: int, count: CountTokens) -> list[Unit]:
    """Make a unit of each section, or several of one that is too long.

    A heading stays with what follows it, also where that is a deeper heading. Tables and code
    are never cut, even if they alone are longer than `max_tokens`. No word is left out.

    Texts are counted in steps that double, then halve, so that a document of n characters
    gives the counter O(n log n) of them.

    Raises:
        ConfigError: `max_tokens` is below 1.
    """
    if max_tokens < 1:
        raise ConfigError(f"max_tokens must be at least 1, got {max_tokens}")

    def fits(text: str) -> bool:
        return count(text) <= max_tokens

    return [
        Unit(text, headings)
        for headings, section in _sections(blocks)
        for text in _texts(section, fits)
    ]


def _sections(blocks: Iterable[Block]) -> Iterator[tuple[tuple[str, ...], list[Block]]]:
    """Heading paths with the blocks under them; empty sections go into the next one."""
    path: list[tuple[int, str]] = []
    section: list[Block] = []
    for block in blocks:
        if block.level:
            if section and not section[-1].level:
                yield tuple(name for _, name in path), section
                section = []
            path = [one for one in path if one[0] < block.level]
            path.append((block.level, _name(block.text)))
        section.append(block)
    if section:
        yield tuple(name for _, name in path), section


def _name(heading: str) -> str:
    """A heading without its Markdown signs: leading # or an underline."""
    return heading.partition("\n")[0].strip().strip("#").strip()


def _texts(section: list[Block], fits: Fits) -> Iterator[str]:
    """Texts that fit, cut between blocks if possible; headings come first in a section."""
    headings = [block.text for block in section if block.level]
    pieces = [
        piece
        for block in section[len(headings) :]
        for piece in ([block.text] if block.whole else _pieces(block.text, fits))
    ]
    if headings:
        pieces[:1] = ["\n\n".join([*headings, *pieces[:1]])]
    yield from _joined(pieces, "\n\n", fits)


def _pieces(
    text: str, fits: Fits, boundaries: Sequence[re.Pattern[str]] = BOUNDARIES
) -> Iterator[str]:
    """A text as it is if it fits, else cut at sentences, else at words, else anywhere."""
    if fits(text):
        yield text
        return
    parts = _split(text, boundaries[0]) if boundaries else text
    for piece in map(str.strip, _joined(parts, "", fits)):
        if boundaries and not fits(piece):
            yield from _pieces(piece, fits, boundaries[1:])
        elif piece:
            yield piece


def _split(text: str, boundary: re.Pattern[str]) -> list[str]:
    """Parts that together are the text, each with the white space after it."""
    ends = [found.end() for found in boundary.finditer(text)]
    return [text[start:end] for start, end in pairwise([0, *ends, len(text)]) if start < end]


def _joined(parts: Sequence[str], separator: str, fits: Fits) -> Iterator[str]:
    """Neighbours joined as long as they fit; a part that alone is too long stands alone."""
    start = 0
    while start < len(parts):
        end = start + _longest(parts, start, separator, fits)
        yield separator.join(parts[start:end])
        start = end


def _longest(parts: Sequence[str], start: int, separator: str, fits: Fits) -> int:
    """How many parts from `start` fit together, at least one.

    Doubles the number until it is too much, then searches between the last two.
    """

    def too_long(number: int) -> bool:
        return not fits(separator.join(parts[start : start + number]))

    left, number = len(parts) - start, 1
    while 2 * number <= left and not too_long(2 * number):
        number *= 2
    beyond = range(number + 1, min(2 * number, left + 1))
    return number + bisect_left(beyond, True, key=too_long)
