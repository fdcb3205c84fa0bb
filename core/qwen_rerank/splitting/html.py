"""Splits HTML, by BeautifulSoup's reading of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from qwen_rerank.errors import MissingDependencyError
from qwen_rerank.splitting.packing import pack
from qwen_rerank.splitting.tokens import CountTokens, choose_counter
from qwen_rerank.splitting.unit import Block, Unit

HEADINGS = {f"h{level}": level for level in range(1, 7)}
UNSEEN = {"script", "style", "template", "noscript", "head"}
BLOCKS = set(
    "address article aside blockquote body dd details div dl dt fieldset figcaption figure footer "
    "form header hr html li main nav ol p section summary ul br".split()
)


def split_html(
    html: str,
    *,
    max_tokens: int = 512,
    count: CountTokens | None = None,
    model: str | None = None,
) -> list[Unit]:
    """Split a page at h1 to h6, wherever they stand in the tree; see `pack` and `choose_counter`.

    The units hold the text that a reader sees: tables as lines with `|` between cells, code
    with its line breaks, no markup.
    """
    return pack(html_blocks(html), max_tokens, choose_counter(count, model))


def html_blocks(html: str) -> Iterator[Block]:
    """The blocks of a page, in its order."""
    try:
        from bs4 import BeautifulSoup
    except ImportError:
        raise MissingDependencyError("beautifulsoup4", "splitting") from None
    yield from _blocks(BeautifulSoup(html, "html.parser"))


def _blocks(tag: Any) -> Iterator[Block]:
    inline: list[str] = []
    for child in tag.children:
        name = getattr(child, "name", None)
        if name is None:
            inline.append(_seen(child))
        elif name in UNSEEN:
            continue
        elif _breaks(child):
            yield from _paragraph(inline)
            inline = []
            yield from _special(child) if name in {*HEADINGS, "table", "pre"} else _blocks(child)
        else:
            inline.append(child.get_text())
    yield from _paragraph(inline)


def _breaks(tag: Any) -> bool:
    """Whether a tag starts a line of its own, or something inside it does."""
    names = {*BLOCKS, *HEADINGS, "table", "pre"}
    return tag.name in names or tag.find(list(names)) is not None


def _special(tag: Any) -> Iterator[Block]:
    if tag.name in HEADINGS:
        text, level, whole = _line(tag.get_text()), HEADINGS[tag.name], False
    elif tag.name == "pre":
        text, level, whole = tag.get_text().strip("\n"), 0, True
    else:
        text, level, whole = _table(tag), 0, True
    if text.strip():
        yield Block(text, level, whole)


def _table(tag: Any) -> str:
    """A line for the caption and for each row."""
    lines = [_line(caption.get_text(" ")) for caption in tag.find_all("caption")]
    rows = [row for row in tag.find_all("tr") if row.find_parent("table") is tag]
    lines += [" | ".join(map(_cell, row.find_all(["th", "td"], recursive=False))) for row in rows]
    return "\n".join(lines) or _line(tag.get_text(" "))


def _cell(tag: Any) -> str:
    return _line(tag.get_text(" "))


def _seen(string: Any) -> str:
    from bs4.element import PreformattedString  # comments, doctypes and their like

    return "" if isinstance(string, PreformattedString) else str(string)


def _paragraph(inline: list[str]) -> Iterator[Block]:
    text = _line("".join(inline))
    if text:
        yield Block(text)


def _line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
