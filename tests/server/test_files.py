"""Documents out of uploaded files."""

from __future__ import annotations

import pytest

from qwen_rerank.server.page.files import FileError, read_documents
from qwen_rerank.server.page.translations import LANGUAGES, Translator


def test_files() -> None:
    assert read_documents("a.txt", "一\r\n\n二\fb\n".encode()) == ["一", "二\fb"]
    assert read_documents("a.TXT", "中文".encode("gb18030")) == ["中文"]
    rows = b'"plain"\n{"text": "a\\nb"}\n\n{"id": 1, "content": "c"}\n'
    assert read_documents("a.jsonl", rows) == ["plain", "a\nb", "c"]
    table = '\ufeffid,text\n1,"one, two"\n2,"three\nlines"\n3\n'.encode()
    assert read_documents("a.csv", table) == ["one, two", "three\nlines"]
    assert read_documents("a.csv", b"only,first\nsecond,x\n") == ["only", "second"]


def test_half_an_emoji_becomes_a_replacement_character() -> None:
    """JSON may hold it as an escape; no browser could be sent it."""
    rows = rb"""{"text": "a\ud83d"}
"\ude00 b"
"""
    assert read_documents("a.jsonl", rows) == ["a\ufffd", "\ufffd b"]


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
    ],
)
def test_bad_files(name: str, data: bytes, reason: str, line: int) -> None:
    with pytest.raises(FileError) as error:
        read_documents(name, data)
    assert (error.value.reason, error.value.line) == (reason, line)
    for language in LANGUAGES:
        assert Translator(language)(reason, line=line)
