"""Documents out of texts and uploaded files."""

from __future__ import annotations

from pathlib import Path

import pytest

from qwen_rerank.server.page.files import FileError, read_file, split_text
from qwen_rerank.server.page.translations import LANGUAGES, Translator
from tests.techniques.pdf import write_pdf


def test_texts() -> None:
    assert split_text("一\r\n\n二\fb\n", "lines") == ["一", "二\fb"]
    assert split_text("\n a\nb\r\n \t\r\n\nc\n", "blank_lines") == [" a\nb", "c"]


def test_files() -> None:
    assert read_file("a.txt", "一\r\n\n二".encode()) == ("一", "二")
    assert read_file("a.TXT", "中文".encode("gb18030")) == ("中文",)
    rows = b'"plain"\n{"text": "a\\nb"}\n\n{"id": 1, "content": "c"}\n'
    assert read_file("a.jsonl", rows) == ("plain", "a\nb", "c")
    table = '\ufeffid,text\n1,"one, two"\n2,"three\nlines"\n3\n'.encode()
    assert read_file("a.csv", table) == ("one, two", "three\nlines")
    assert read_file("a.csv", b"only,first\nsecond,x\n") == ("only", "second")
    assert read_file("a.json", b'["a", {"text": "b"}]') == ("a", "b")
    assert read_file("a.json", b'{"query": "q", "documents": ["a"]}') == ("a",)


def test_markdown_and_pdf_are_split_at_their_headings(tmp_path: Path) -> None:
    text = b"# Guide\n\n## Refunds\n\nfive days\n\n## Delivery\n\nthree days\n"
    parts = read_file("a.md", text)
    assert [part.splitlines()[0] for part in parts] == ["Guide > Refunds", "Guide > Delivery"]
    assert parts[1].endswith("three days")
    guide = read_file("guide.PDF", write_pdf(tmp_path / "guide.pdf").read_bytes())
    assert any(part.startswith("Order guide > Refunds > Refund time") for part in guide)


def test_half_an_emoji_becomes_a_replacement_character() -> None:
    """JSON may hold it as an escape; no browser could be sent it."""
    rows = rb"""{"text": "a\ud83d"}
"\ude00 b"
"""
    assert read_file("a.jsonl", rows) == ("a\ufffd", "\ufffd b")


@pytest.mark.parametrize(
    ("name", "data", "reason", "line"),
    [
        ("a.txt", b"\n \n", "no_rows", 0),
        ("a.csv", b"", "no_rows", 0),
        ("a.txt", b"\xff\xff\xff", "not_utf8", 0),
        ("a.jsonl", b'"a"\n{', "bad_json", 2),
        ("a.jsonl", b'{"title": "a"}', "bad_row", 1),
        ("a.jsonl", b"[" * 100_000, "bad_json", 1),
        ("a.jsonl", b'{"text": null}', "bad_row", 1),
        ("a.json", b'[\n"a",\n', "bad_json", 3),
        ("a.json", b'{"query": "q"}', "no_list", 0),
        ("a.json", b'["a", 1]', "bad_item", 2),
        ("a.pdf", b"no PDF", "bad_pdf", 0),
    ],
)
def test_bad_files(name: str, data: bytes, reason: str, line: int) -> None:
    with pytest.raises(FileError) as error:
        read_file(name, data)
    assert (error.value.reason, error.value.line) == (reason, line)
    assert "upload.pdf" not in error.value.detail, "no path of the server"
    for language in LANGUAGES:
        assert Translator(language)(reason, line=line)
