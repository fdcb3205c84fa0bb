"""Splits Markdown, parsed by markdown-it-py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from qwen_rerank.extras import require_package
from qwen_rerank.splitting.packing import pack
from qwen_rerank.splitting.tokens import CountTokens, choose_counter
from qwen_rerank.splitting.unit import Block, Unit

UNSPLIT_BLOCKS = {"fence", "code_block", "table_open", "html_block"}


def split_markdown(
    text: str,
    *,
    max_tokens: int = 512,
    count: CountTokens | None = None,
    model: str | None = None,
) -> list[Unit]:
    """Split CommonMark with tables at its headings; see `pack` and `choose_counter`.

    The source's own lines are kept, markup included. A line inside a code block is never a
    heading. Time and memory grow linearly with the text.
    """
    return pack(markdown_blocks(text), max_tokens, choose_counter(count, model))


def markdown_blocks(text: str) -> Iterator[Block]:
    """The outermost blocks, whose lines together are all lines that are not blank."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    first = _front_matter(lines)
    yield from _block("", "", lines[:first])
    body = lines[first:]
    tokens = _parser().parse("\n".join(body))
    found = [(token.map[0], token) for token in tokens if token.level == 0 and token.map]
    # lines without a token, such as link definitions, belong to the block above them
    edges = [start for start, _ in found] + [len(body)]
    yield from _block("", "", body[: edges[0]])
    for (start, token), end in zip(found, edges[1:], strict=True):
        yield from _block(token.type, token.tag, body[start:end])


def _parser() -> Any:
    """CommonMark's blocks and tables, without what stands inside them."""
    require_package("markdown-it-py", "splitting", "markdown_it")
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table").disable("inline")
    parser.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})
    return parser


def _table(state: Any, start: int, end: int, silent: bool) -> bool:
    """The parser's rule for tables without its cells.

    The original fills every row up to the width of the head: 2 kB become 65,000 cells.
    """
    from markdown_it.rules_block.table import table

    if not table(state, start, end, True):
        return False
    if not silent:
        token = state.push("table_open", "table", 0)
        state.line = _table_end(state, start + 2, end)
        token.map = [start, state.line]
    return True


def _table_end(state: Any, line: int, end: int) -> int:
    """The first line after a table, as the parser's own rule finds it."""
    others = state.md.block.ruler.getRules("blockquote")
    while line < end and not state.isEmpty(line) and not state.is_code_block(line):
        if state.sCount[line] < state.blkIndent:
            break
        if any(rule(state, line, end, True) for rule in others):
            break
        line += 1
    return line


def _front_matter(lines: list[str]) -> int:
    """How many lines at the top are YAML between two rules, which CommonMark does not know."""
    if lines[0].rstrip() != "---" or "---" not in map(str.rstrip, lines[1:]):
        return 0
    return [line.rstrip() for line in lines].index("---", 1) + 1


def _block(kind: str, tag: str, lines: list[str]) -> Iterator[Block]:
    content = "\n".join(lines).strip("\n")
    if content.strip():
        yield Block(content, int(tag[1]) if kind == "heading_open" else 0, kind in UNSPLIT_BLOCKS)
