"""Splits PDF, parsed by pdfplumber."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from qwen_rerank.splitting.packing import pack
from qwen_rerank.splitting.pdf_page import PdfPart
from qwen_rerank.splitting.pdf_process import read_pages
from qwen_rerank.splitting.tokens import CountTokens, choose_counter
from qwen_rerank.splitting.unit import Block, Unit

LARGER = 1.08
"""A line is a heading from this many times the size of the body's letters."""
GAP = 0.8
"""A paragraph ends where the space below a line is more than this share of its height."""


def split_pdf(
    file: str | Path,
    *,
    max_tokens: int = 512,
    count: CountTokens | None = None,
    model: str | None = None,
) -> list[Unit]:
    """Split a PDF with text in it at its headings; see `pack` and `choose_counter`.

    A PDF has no headings, only larger letters: each size above the body's is a level, the
    largest first. Ruled tables become lines with `|` between cells, lines in monospaced letters
    a listing. A scanned page has no text and gives none.

    The file is read in a process of its own, which on Linux may take 30 seconds of CPU time
    and 1 GB of memory, and 100 seconds and 4 MB more for each MB of the file.

    Raises:
        InvalidInputError: The file can't be opened, is no PDF, is encrypted or damaged, or
            takes more than that.
    """
    return pack(pdf_blocks(file), max_tokens, choose_counter(count, model))


def pdf_blocks(file: str | Path) -> Iterator[Block]:
    """The blocks of all pages, from top to bottom."""
    parts = [part for page in read_pages(file) for part in page]
    levels = _levels([part for part in parts if not part.table])
    for group in _groups(parts):
        yield _block(group, levels)


def _levels(lines: Sequence[PdfPart]) -> dict[float, int]:
    """Size of letters -> level of heading; sizes of the body are not in it."""
    sizes: Counter[float] = Counter()
    for line in lines:
        sizes[line.size] += len(line.text)
    if not sizes:
        return {}
    body = sizes.most_common(1)[0][0]
    larger = sorted((size for size in sizes if size >= body * LARGER), reverse=True)
    return {size: min(level, 6) for level, size in enumerate(larger, start=1)}


def _groups(parts: Sequence[PdfPart]) -> Iterator[list[PdfPart]]:
    """Lines that belong together: of one kind, without a gap between."""
    group: list[PdfPart] = []
    for part in parts:
        if group and not _continues(group[-1], part):
            yield group
            group = []
        group.append(part)
    if group:
        yield group


def _continues(last: PdfPart, part: PdfPart) -> bool:
    same = (last.size, last.code) == (part.size, part.code)
    near = 0 <= part.top - last.bottom <= GAP * (last.bottom - last.top)
    return same and near and not last.table and not part.table


def _block(group: Sequence[PdfPart], levels: dict[float, int]) -> Block:
    first, texts = group[0], [part.text for part in group]
    if first.table or first.code:
        return Block("\n".join(texts), whole=True)
    return Block(" ".join(texts), levels.get(first.size, 0))
