"""Splits HTML, parsed by lxml."""

from __future__ import annotations

from qwen_rerank.extras import require_package
from qwen_rerank.splitting.html_table import HtmlTable, one_line
from qwen_rerank.splitting.packing import pack
from qwen_rerank.splitting.tokens import CountTokens, choose_counter
from qwen_rerank.splitting.unit import Block, Unit

HEADINGS = {f"h{level}": level for level in range(1, 7)}
UNSPLIT_TAGS = {"pre", "table"}
HIDDEN = {"script", "style", "template", "noscript", "head", "title"}
BLOCKS = set(
    "address article aside blockquote body caption dd details div dl dt fieldset figcaption "
    "figure footer form header hr html li main nav ol p section summary td th tr ul br".split()
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
    with its line breaks, no markup. Time and memory grow linearly with the page.
    """
    return pack(html_blocks(html), max_tokens, choose_counter(count, model))


def html_blocks(html: str) -> list[Block]:
    """The blocks of a page, in its order.

    The parser reports events and builds no tree, so deep nesting costs no stack.
    """
    require_package("lxml", "splitting")
    from lxml import etree

    collector = _BlockCollector()
    # encoded here, so that a charset that the page declares for its bytes is not applied
    parser = etree.HTMLParser(target=collector, encoding="utf-8")
    parser.feed(html.encode("utf-8", "replace"))
    parser.close()
    return collector.blocks


class _BlockCollector:
    """Receives the parser's events and keeps the blocks.

    A heading, a table or a `pre` takes in all that is inside it, others of these included. The
    parser closes every element that it opened, also where the page forgot to.
    """

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._text: list[str] = []
        self._hidden = 0
        """Depth below an element that is not shown."""
        self._special: str | None = None
        """The heading, table or pre that is open."""
        self._depth = 0
        """How many elements of that name are open."""
        self._table = HtmlTable()

    def start(self, tag: str, attributes: object) -> None:  # noqa: ARG002 - lxml passes it
        """An element begins."""
        if self._hidden or tag in HIDDEN:
            self._hidden += 1
        elif tag in HEADINGS and self._special in {None, *HEADINGS}:
            self._open(tag)  # a heading inside a heading: the outer one was not closed
        elif tag == self._special:
            self._depth += 1
        elif tag in UNSPLIT_TAGS and self._special is None:
            self._open(tag)
        elif self._special == "table" and self._depth == 1:
            self._table.start(tag)
        self._break(tag)

    def end(self, tag: str) -> None:
        """An element ends."""
        if self._hidden:
            self._hidden -= 1
            return
        self._break(tag)
        if tag == self._special:
            self._depth -= 1
            if self._depth == 0:
                self._flush()

    def data(self, text: str) -> None:
        """Text, perhaps only a part of what stands between two tags."""
        if self._hidden:
            return
        if self._special == "table":
            self._table.add(text)
        else:
            self._text.append(text)

    def close(self) -> None:
        """The page ends."""
        self._flush()

    def _open(self, tag: str) -> None:
        self._flush()
        self._special, self._depth = tag, 1

    def _break(self, tag: str) -> None:
        """Keep texts apart that stand in different blocks."""
        if tag not in BLOCKS and tag not in HEADINGS and tag not in UNSPLIT_TAGS:
            return
        if self._special is None:
            self._flush()
        elif self._special == "pre":
            self._break_line()
        else:
            self.data(" ")

    def _break_line(self) -> None:
        if self._text and not self._text[-1].endswith("\n"):
            self._text.append("\n")

    def _flush(self) -> None:
        """Make a block of what was collected."""
        special, self._special, self._depth = self._special, None, 0
        text, self._text = "".join(self._text), []
        if special == "table":
            text, self._table = self._table.text(), HtmlTable()
        text = text.strip("\n") if special in UNSPLIT_TAGS else one_line(text)
        if text.strip():
            self.blocks.append(Block(text, HEADINGS.get(special or "", 0), special in UNSPLIT_TAGS))
