"""PDFs written by hand, for what no library would write."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
LINE = b"(The quick brown fox jumps over the lazy dog, and then once again.) ' "


def text_pages(pages: int, lines: int = 60) -> bytes:
    """Pages full of text."""
    text = b"BT /F 9 Tf 12 TL 20 780 Td " + LINE * lines + b"ET"
    return _document([(text, b"") for _ in range(pages)])


def form_bomb(levels: int = 12, fan_out: int = 10) -> bytes:
    """A page that draws a form ten times, which draws the next form ten times, and so on."""
    first = 6
    forms = []
    for level in range(levels):
        drawn = b"/X Do " * fan_out if level < levels - 1 else b"0 0 m "
        below = b"/Resources<</XObject<</X %d 0 R>>>>" % (first + level + 1)
        forms.append(_stream(b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]" + below, drawn))
    return _document([(b"/X Do ", b"/XObject<</X %d 0 R>>" % first)], forms)


def unpacking_bomb(megabytes: int) -> bytes:
    """A page whose drawing instructions are a thousand times longer than the file."""
    packer = zlib.compressobj(9)
    block = b"q Q " * 2**18
    packed = b"".join(packer.compress(block) for _ in range(megabytes)) + packer.flush()
    return _objects([*_catalog([4]), _page(5), _stream(b"/Filter/FlateDecode", packed)])


def _document(pages: list[tuple[bytes, bytes]], more: Iterable[bytes] = ()) -> bytes:
    """Pages of drawing instructions and resources; further objects come after all pages."""
    places = [4 + 2 * number for number in range(len(pages))]
    objects = _catalog(places)
    for place, (content, resources) in zip(places, pages, strict=True):
        objects += [_page(place + 1, resources), _stream(b"", content)]
    return _objects([*objects, *more])


def _catalog(pages: list[int]) -> list[bytes]:
    kids = b" ".join(b"%d 0 R" % page for page in pages)
    tree = b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, len(pages))
    return [b"<</Type/Catalog/Pages 2 0 R>>", tree, FONT]


def _page(content: int, resources: bytes = b"") -> bytes:
    return (
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents %d 0 R"
        b"/Resources<</Font<</F 3 0 R>>%s>>>>" % (content, resources)
    )


def _stream(entries: bytes, data: bytes) -> bytes:
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (entries, len(data), data)


def _objects(objects: list[bytes]) -> bytes:
    """The file of numbered objects, with the table of where each begins."""
    file, starts = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        starts.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    size = len(objects) + 1
    table = b"xref\n0 %d\n0000000000 65535 f \n" % size
    table += b"".join(b"%010d 00000 n \n" % start for start in starts)
    end = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (size, len(file))
    return file + table + end
