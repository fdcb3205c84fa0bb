"""Headings, tables, code and limits; the golden files were written by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.schema import MetadataMode

from langchain_qwen_rerank import to_documents
from llama_index_qwen_rerank import to_nodes
from qwen_rerank import ConfigError, ModelLoadError
from qwen_rerank.lexical.tokenize import terms
from qwen_rerank.splitting import (
    Unit,
    estimated_tokens,
    split_html,
    split_markdown,
    split_pdf,
    token_counter,
)
from qwen_rerank.testing import word_overlap
from tests.techniques.pdf import CODE, MORE_WORDS, WORDS, write_pdf

GOLDEN = Path(__file__).parent / "golden"
MARKDOWN = (GOLDEN / "guide.md").read_text(encoding="utf-8")
HTML = (GOLDEN / "guide.html").read_text(encoding="utf-8")


def golden(name: str) -> list[Unit]:
    lines = json.loads((GOLDEN / name).read_text(encoding="utf-8"))
    return [Unit(line["text"], tuple(line["headings"])) for line in lines]


def all_words(units: list[Unit]) -> list[str]:
    return terms(" ".join(unit.text for unit in units))


def test_markdown() -> None:
    units = split_markdown(MARKDOWN)
    assert units == golden("guide.md.json")
    assert all_words(units) == terms(MARKDOWN), "every word, in its order"


def test_html() -> None:
    units = split_html(HTML)
    assert units == golden("guide.html.json")
    body = re.sub(r"(?s)<head>.*</head>|<script.*</script>|<!--.*?-->", "", HTML)
    text = re.sub(r"</?(?:b|em|code|a)\b[^>]*>", "", body)
    assert all_words(units) == terms(re.sub(r"<[^>]+>", " ", text))


def test_pdf(tmp_path: Path) -> None:
    units = split_pdf(write_pdf(tmp_path / "guide.pdf"))
    assert units == golden("guide.pdf.json")
    assert CODE in units[1].text
    assert all_words(units) == terms(WORDS), "every word, in its order"
    assert max(len(unit.headings) for unit in units) == 3


@pytest.mark.parametrize("limit", [1, 20, 512])
def test_a_long_pdf_loses_no_word(tmp_path: Path, limit: int) -> None:
    units = split_pdf(write_pdf(tmp_path / "long.pdf", long=True), max_tokens=limit)
    letters = "".join(terms(" ".join(unit.text for unit in units)))
    assert letters == "".join(terms(f"{WORDS} {MORE_WORDS}")), "cut words included"
    assert len(units) > 5
    assert any("kind | days\nstandard | 3\nexpress | 1" in unit.text for unit in units)
    assert any(CODE in unit.text for unit in units)


@pytest.mark.parametrize("limit", [1, 5, 20, 60])
def test_a_limit_holds_except_for_tables_and_code_and_loses_nothing(limit: int) -> None:
    units = split_markdown(MARKDOWN, max_tokens=limit)
    fence = re.search(r"(?s)```.*```", MARKDOWN)
    assert fence
    assert any(fence[0] in unit.text for unit in units)
    assert any("| kind | days |\n|------|------|\n| standard | 3 |" in unit.text for unit in units)
    letters = "".join(unit.text for unit in units)
    assert re.sub(r"\s", "", letters) == re.sub(r"\s", "", MARKDOWN)


def test_a_limit_cuts_at_sentences_then_words() -> None:
    text = "# A\n\nOne two three. Four five six. " + "x" * 40
    units = split_markdown(text, max_tokens=3, count=lambda part: len(part.split()))
    assert [unit.text for unit in units] == [
        "# A\n\nOne two three.",
        "Four five six.",
        "x" * 40,
    ]
    assert {unit.headings for unit in units} == {("A",)}


def test_the_tokenizer_of_the_reranker_counts(tiny_model: Path) -> None:
    count = token_counter(str(tiny_model))
    assert count("What is the capital of China?") == 7
    for text in (MARKDOWN, split_html(HTML)[1].text, "退款在五个工作日内到账。" * 20):
        assert count(text) <= estimated_tokens(text)
    units = split_markdown("word and " * 300, max_tokens=50, count=count)
    assert len(units) > 10
    assert all(count(unit.text) <= 50 for unit in units)


def test_the_configured_model_counts_by_default(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = token_counter(str(tiny_model))
    texts: list[tuple[Any, Any]] = [
        (split_markdown, MARKDOWN),
        (split_html, HTML),
        (split_pdf, write_pdf(tmp_path / "guide.pdf", long=True)),
    ]
    for split, text in texts:
        estimated, wanted = split(text, max_tokens=15), split(text, max_tokens=15, count=count)
        assert estimated != wanted
        assert split(text, max_tokens=15, model=str(tiny_model)) == wanted
        monkeypatch.setenv("QWEN_RERANK_MODEL", str(tiny_model))
        assert split(text, max_tokens=15) == wanted
        monkeypatch.setenv("QWEN_RERANK_MODEL", str(tmp_path / "not-here"))
        assert split(text, max_tokens=15) == estimated
        monkeypatch.delenv("QWEN_RERANK_MODEL")
    with pytest.raises(ConfigError, match="got both"):
        split_markdown("a", count=count, model="builtin")
    with pytest.raises(ModelLoadError):
        split_markdown("a", model=str(tmp_path / "not-here"))


def test_the_heading_path_helps_to_find_a_unit() -> None:
    """The words of the query stand in the headings only."""
    unit = split_markdown("# Refunds\n\n## Damaged goods\n\n### How long\n\nFive days.")[0]
    cut = split_markdown("# Refunds\n\nFine.\n\n## Damaged goods\n\nFive days.")[1]
    assert unit.headings == ("Refunds", "Damaged goods", "How long")
    query = "refunds damaged goods"
    assert word_overlap(query, cut.with_path()) > word_overlap(query, cut.text)


@pytest.mark.parametrize("text", ["Just one line.", "一句话。", "two\nlines", "- a\n- b"])
def test_a_short_text_without_headings_stays_as_it_is(text: str) -> None:
    assert split_markdown(text) == [Unit(text, ())]
    assert Unit(text, ()).with_path() == text


def test_front_matter_and_link_definitions_are_not_headings() -> None:
    text = "---\ntitle: A\n---\n\n[a]: b\n\n# First\n\n[c]: d\n\nText.\n"
    units = split_markdown(text)
    assert [unit.headings for unit in units] == [(), ("First",)]
    assert all_words(units) == terms(text)


@pytest.mark.parametrize("nothing", ["", "\n \n"])
def test_an_empty_document_has_no_units(nothing: str) -> None:
    for split in (split_markdown, split_html):
        call: Any = split
        assert call(nothing) == []


def test_html_of_real_pages() -> None:
    """Forgotten end tags, line breaks in code, a table inside a table, a declared charset."""
    units = split_html(
        "<meta charset=gbk><div><h2>标题</div><p>a<br>b"
        "<pre>one<br>two<div>three</div></pre>"
        "<table><caption>c</caption>loose<tr><td>1<td><td>2<table><tr><td>in</table><tr><td>3"
        "</table>e<b>n</b>d \ud800"
    )
    assert units == [
        Unit("标题\n\na\n\nb\n\none\ntwo\nthree\n\nc loose\n1 |  | 2 in\n3\n\nend ?", ("标题",))
    ]


def test_a_text_that_is_cut_keeps_its_line_breaks() -> None:
    text = "- one two\n- three four\n- 五六。七八。"
    units = split_markdown(text, max_tokens=5, count=lambda part: len(part.split()))
    assert [unit.text for unit in units] == ["- one two", "- three four\n- 五六。七八。"]


def test_a_lone_surrogate_is_counted_like_any_letter() -> None:
    assert split_markdown("a \ud800") == [Unit("a \ud800", ())]


def test_units_become_documents_and_nodes() -> None:
    unit = Unit("Five days.", ("Refunds", "How long"))
    [document] = to_documents([unit], {"source": "guide.md"})
    assert document.page_content == "Five days."
    assert document.metadata == {"source": "guide.md", "headings": "Refunds > How long"}
    [node] = to_nodes([unit], {"source": "guide.md"})
    assert node.text == "Five days."
    assert "Refunds > How long" in node.get_content(MetadataMode.EMBED)
