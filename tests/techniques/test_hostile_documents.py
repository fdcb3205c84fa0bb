"""Documents that would take a naive splitter's time, memory or stack."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from qwen_rerank import ConfigError, InvalidInputError
from qwen_rerank.lexical.tokenize import terms
from qwen_rerank.splitting import estimated_tokens, pdf_process, split_html, split_markdown
from qwen_rerank.splitting import split_pdf as split
from tests.techniques.raw_pdf import form_bomb, text_pages, unpacking_bomb

CPU_SECONDS = 40
"""What a child process may take: loading its modules takes 1, a quadratic reading minutes."""
PROGRAM = """
import resource, sys
from qwen_rerank import splitting
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[1]),) * 2)
getattr(splitting, sys.argv[2])(eval(sys.argv[3]))
"""
TABLE = "'|a' * 250 + '|\\n' + '|-' * 250 + '|\\n' + '|x|\\n' * 250"


def write(file: Path, content: bytes) -> Path:
    file.write_bytes(content)
    return file


@pytest.mark.parametrize(
    ("splitter", "text"),
    [
        ("split_html", "'<table>' + '<tr><td>a' * 20_000"),
        ("split_html", "'<table><tr><td>a' * 20_000"),
        ("split_html", "'<b>a' * 50_000"),
        ("split_html", "'<h1>a' * 50_000"),
        ("split_html", "'<a ' * 50_000"),
        ("split_markdown", f"({TABLE} + '\\n') * 150"),
        ("split_markdown", "'# a\\n' * 100_000"),
        ("split_markdown", "'[' * 100_000"),
    ],
)
def test_reading_time_grows_linearly(splitter: str, text: str) -> None:
    command = [sys.executable, "-c", PROGRAM, str(CPU_SECONDS), splitter, text]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr


@pytest.mark.parametrize("max_tokens", [1, 512, 10**9])
@pytest.mark.parametrize("block", ["# heading\n\n", "a line.\n\n", "word ", "字", "# a\n\nb\n\n"])
def test_the_counter_reads_little_more_than_the_text(block: str, max_tokens: int) -> None:
    counted = 0

    def count(text: str) -> int:
        nonlocal counted
        counted += len(text)
        return estimated_tokens(text)

    text = block * (20_000 // len(block))
    units = split_markdown(text, max_tokens=max_tokens, count=count)
    assert terms("".join(unit.text for unit in units))
    assert counted < 4 * len(text) * math.log2(len(text))


@pytest.mark.parametrize("tag", ["li", "b", "div", "h2", "pre", "td", "table", "ul><li"])
def test_deep_nesting_loses_no_word(tag: str) -> None:
    numbers = [str(number) for number in range(5_000)]
    units = split_html("".join(f"<{tag}> {number} " for number in numbers))
    assert terms(" ".join(unit.text for unit in units)) == numbers


def test_a_heading_is_named_once_for_all_units_below_it() -> None:
    units = split_markdown(f"# {'long ' * 5_000}\n\n" + "## a\n\nb\n\n" * 1_000)
    assert len({id(unit.headings[0]) for unit in units}) == 1


LINES = ["a | b", "-|-", "-|-|-", "1 | 2", "# c", "> d", "- e", "    f", "", "  ", "1. g"]


@given(st.lists(st.sampled_from(LINES), max_size=9))
@settings(max_examples=500, deadline=None)
def test_a_table_ends_where_the_parser_ends_it(lines: list[str]) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse("\n".join(lines))
    maps = [token.map for token in tokens if token.type == "table_open" and token.level == 0]
    tables = ["\n".join(lines[slice(*place)]).strip() for place in maps if place]
    units = split_markdown("\n".join(lines), max_tokens=1, count=len)  # cuts all but tables
    found = [unit.text.rpartition("\n\n")[2].strip() for unit in units]
    assert [text for text in found if "\n" in text and "-|-" in text] == tables


def test_memory_does_not_grow_with_the_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf_process, "MEMORY", 150 * pdf_process.MB)
    file = write(tmp_path / "long.pdf", text_pages(25))
    assert "lazy dog" in split(file)[0].text


def test_forms_that_draw_forms_are_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_process, "SECONDS", 2)
    monkeypatch.setattr(pdf_process, "SECONDS_PER_MB", 0)
    with pytest.raises(InvalidInputError, match=r"bomb.pdf: takes more than 2 seconds of CPU"):
        split(write(tmp_path / "bomb.pdf", form_bomb()))


def test_a_stream_that_unpacks_to_more_than_the_memory_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf_process, "MEMORY", 300 * pdf_process.MB)
    with pytest.raises(InvalidInputError, match=r"bomb.pdf: takes more than 304 MB of memory"):
        split(write(tmp_path / "bomb.pdf", unpacking_bomb(400)))


def test_an_encrypted_pdf_is_named(tmp_path: Path) -> None:
    file = tmp_path / "secret.pdf"
    canvas = Canvas(str(file), encrypt=StandardEncryption("user", "owner"))
    canvas.drawString(9, 9, "hidden")
    canvas.save()
    with pytest.raises(InvalidInputError, match=r"secret.pdf: is encrypted"):
        split(file)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no PDF at all",
        b"%PDF-1.4\n",
        text_pages(1)[:200],
        text_pages(1).replace(b"[0 0 600 800]", b"[0 0 /a /b]"),
    ],
)
def test_a_damaged_pdf_is_named(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidInputError, match=r"damaged.pdf: is no PDF or a damaged one"):
        split(write(tmp_path / "damaged.pdf", content))


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"nowhere.pdf: No such file"):
        split(tmp_path / "nowhere.pdf")
    with pytest.raises(InvalidInputError, match="Is a directory"):
        split(tmp_path)


def test_a_limit_below_one_token_is_refused() -> None:
    with pytest.raises(ConfigError, match="max_tokens must be at least 1, got 0"):
        split_markdown("a", max_tokens=0)
