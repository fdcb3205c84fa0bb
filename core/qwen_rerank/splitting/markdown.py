"""Splits Markdown, by markdown-it-py's reading of it."""

from __future__ import annotations

from collections.abc import Iterator

from qwen_rerank.errors import MissingDependencyError
from qwen_rerank.splitting.packing import pack
from qwen_rerank.splitting.tokens import CountTokens, choose_counter
from qwen_rerank.splitting.unit import Block, Unit

WHOLE = {"fence", "code_block", "table_open", "html_block"}


def split_markdown(
    text: str,
    *,
    max_tokens: int = 512,
    count: CountTokens | None = None,
    model: str | None = None,
) -> list[Unit]:
    """Split CommonMark with tables at its headings; see `pack` and `choose_counter`.

    The source's own lines are kept, markup included. What looks like a heading inside a code
    block is none.
    """
    return pack(markdown_blocks(text), max_tokens, choose_counter(count, model))


def markdown_blocks(text: str) -> Iterator[Block]:
    """The outermost blocks, whose lines together are all lines that are not blank."""
    try:
        from markdown_it import MarkdownIt
    except ImportError:
        raise MissingDependencyError("markdown-it-py", "splitting") from None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    first = _front_matter(lines)
    yield from _block("", "", lines[:first])
    body = lines[first:]
    tokens = MarkdownIt("commonmark").enable("table").parse("\n".join(body))
    found = [(token.map[0], token) for token in tokens if token.level == 0 and token.map]
    # what the parser keeps for itself, such as link definitions, goes with the block above
    edges = [start for start, _ in found] + [len(body)]
    yield from _block("", "", body[: edges[0]])
    for (start, token), end in zip(found, edges[1:], strict=True):
        yield from _block(token.type, token.tag, body[start:end])


def _front_matter(lines: list[str]) -> int:
    """How many lines at the top are YAML between two rules, which CommonMark knows not."""
    if lines[0].rstrip() != "---" or "---" not in map(str.rstrip, lines[1:]):
        return 0
    return [line.rstrip() for line in lines].index("---", 1) + 1


def _block(kind: str, tag: str, lines: list[str]) -> Iterator[Block]:
    content = "\n".join(lines).strip("\n")
    if content.strip():
        yield Block(content, int(tag[1]) if kind == "heading_open" else 0, kind in WHOLE)
