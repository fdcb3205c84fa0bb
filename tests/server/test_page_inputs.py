"""What a visitor enters: by hand, in a link, in a file."""

from __future__ import annotations

import pytest

from qwen_rerank.server.page.link import LONGEST_LINK, within_limit
from qwen_rerank.server.service import Service
from tests.server.visitor import entered, fake, labels, order, page, ranked, said


def test_a_link_fills_the_page(service: Service) -> None:
    at = page(
        query="a", documents="b\n\na", separator="blank_lines", top_n="1", instruction="Find",
        threshold="50", comparison="instruction", other_instruction="Seek", language="zh",
    )  # fmt: skip
    assert at.text_input("query-0").value == "a"
    assert at.text_area("documents-0").value == "b\n\na"
    assert at.button("rerank").label == "重新排序"
    at.button("rerank").click().run()
    assert {call[2] for call in fake(service).calls[-2:]} == {"Find", "Seek"}
    assert order(at) == [2, 2], "the best one of each instruction, at or above 0.5"


@pytest.mark.parametrize("value", ["-1", "x", "９", "1e400", "99999999999999999999"])
def test_a_broken_link_is_an_empty_page(service: Service, value: str) -> None:
    at = page(top_n=value, threshold=value, comparison=value, separator=value, language=value)
    assert not at.exception
    assert at.number_input("top_n").value == 0
    assert at.session_state.comparison == "off"


def test_links_are_bounded() -> None:
    assert within_limit({"query": "a b", "top_n": 3}) == ("query=a+b&top_n=3", True)
    link, is_whole = within_limit({"query": "q", "documents": "文" * LONGEST_LINK})
    assert (link, is_whole) == ("query=q", False)
    assert within_limit({"query": "q" * LONGEST_LINK, "top_n": 3}) == ("top_n=3", False)


def test_what_does_not_fit_into_the_link_is_said(service: Service) -> None:
    at = entered(page(), "a", ["x" * LONGEST_LINK])
    assert any("too long for the page's address" in one.value for one in at.caption)


def test_blank_lines_separate_documents(service: Service) -> None:
    at = page(separator="blank_lines")
    entered(at, "a", ["b", "b", "", "a", "b"]).button("rerank").click().run()
    assert fake(service).calls[-1][1] == ["b\nb", "a\nb"]


def test_a_file_takes_the_place_of_the_text(service: Service) -> None:
    at = page(query="a", documents="typed")
    at.file_uploader("file-0").upload("a.md", b"# One\n\nb\n\n# Two\n\na\n")
    at.run()
    assert at.success[0].value == "Using 2 documents from the file."
    at.button("rerank").click().run()
    assert fake(service).calls[-1][1] == ["One\n# One\n\nb", "Two\n# Two\n\na"]


def test_a_broken_file_is_a_sentence(service: Service) -> None:
    at = page(query="a")
    at.file_uploader("file-0").upload("a.jsonl", b'"a"\n{')
    assert "Line 2 is not valid JSON" in said(at.run().error[0])
    assert "at least one document" in at.button("rerank").click().run().warning[0].value


@pytest.mark.parametrize(("query", "documents"), [("", ["a"]), (" ", ["a"]), ("q", [""])])
def test_what_is_missing_is_asked_for(service: Service, query: str, documents: list[str]) -> None:
    at = ranked(query, documents)
    assert len(at.warning) == 1
    assert not labels(at)
