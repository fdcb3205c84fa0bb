"""The texts of the page, and the command that it offers."""

from __future__ import annotations

import json

from qwen_rerank.server.examples import ZH_DOCUMENTS, ZH_QUERY
from qwen_rerank.server.page import command
from qwen_rerank.server.page.choice import Choice
from qwen_rerank.server.page.shown import (
    arrow,
    start_of,
)
from qwen_rerank.server.page.texts import TEXTS
from qwen_rerank.server.page.translations import LANGUAGES, language_of


def test_the_command_survives_any_text() -> None:
    import shlex

    query = 'it\'s "$HOME" `ls` \\ \n'
    line = command.curl("http://h:1", query, ["d'"], Choice(2), key=True).replace("\\\n", " ")
    words = shlex.split(line)
    assert words[:2] == ["curl", "http://h:1/rerank"]
    assert json.loads(words[-1]) == {"query": query, "documents": ["d'"], "top_n": 2}
    assert "Authorization: Bearer <key>" in words


def test_every_text_is_there_in_both_languages() -> None:
    assert all(len(both) == len(LANGUAGES) and all(both) for both in TEXTS.values())
    assert language_of("zh-CN") == "中文"
    assert (language_of("en-US"), language_of(None)) == ("English", "English")
    assert (arrow(3), arrow(-2), arrow(0)) == ("↑ 3", "↓ 2", "–")


def test_a_text_is_cut_between_words() -> None:
    assert start_of(" a\n b ") == "a b"
    assert start_of("three to five days", 12) == "three to…"
    assert start_of("three to five days", 13) == "three to five…"
    assert start_of("三到五天送达", 3) == "三到五…"
    assert start_of("a " + "b" * 9, 6) == "a bbbb…", "a cut in a word leaves more"


def test_the_example_is_the_documents() -> None:
    assert ZH_QUERY == "客户投诉响应超时的SOP处理流程"
    assert any("SOP" in text and "超时" in text for text in ZH_DOCUMENTS[1:])
