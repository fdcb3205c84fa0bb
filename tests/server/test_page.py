"""The page without a browser: what it says, shows and hands out."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from streamlit.runtime.scriptrunner import StopException
from streamlit.testing.v1 import AppTest

from qwen_rerank.errors import RequestTooLargeError
from qwen_rerank.server.examples import ZH_DOCUMENTS, ZH_QUERY
from qwen_rerank.server.page import SCRIPT, command, current
from qwen_rerank.server.page import request as page_request
from qwen_rerank.server.page.choice import Choice, PageRequest
from qwen_rerank.server.page.entry import Entry
from qwen_rerank.server.page.examples import EXAMPLES
from qwen_rerank.server.page.link import LONGEST, within_limit
from qwen_rerank.server.page.other_model import OtherModel
from qwen_rerank.server.page.picture import COLOURS, INK, draw, text_of
from qwen_rerank.server.page.ranking_list import ROWS
from qwen_rerank.server.page.shown import (
    START,
    ShownRanking,
    ShownResult,
    arrow,
    as_code,
    start_of,
)
from qwen_rerank.server.page.texts import TEXTS
from qwen_rerank.server.page.translations import LANGUAGES, Translator, language_of
from qwen_rerank.server.page.visit import MOST, MOST_CHARACTERS, within_limits
from qwen_rerank.server.service import Service
from qwen_rerank.server.settings import ServerSettings
from qwen_rerank.testing import FakeScorer
from qwen_rerank.types import RerankResult
from tests.server.contrast import contrast
from tests.server.running import PATIENCE, on_a_loop, wait_until

MARKUP = ["<script>alert(1)</script> [link](http://x)", "![img](http://x/y.png) $x$ :red[a]", "b"]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service on a loop of its own, as the server gives it to the page."""
    made = Service(ServerSettings(scorer=FakeScorer()))
    with on_a_loop(made):
        monkeypatch.setattr(current, "service", made)
        yield made


def fake(service: Service) -> FakeScorer:
    wait_until(lambda: service.state == "ready")
    assert isinstance(service.settings.scorer, FakeScorer)
    return service.settings.scorer


def page(**link: str) -> AppTest:
    at = AppTest.from_file(str(SCRIPT), default_timeout=60)
    at.query_params.update(link)
    return at.run()


def entered(at: AppTest, query: str, documents: list[str]) -> AppTest:
    number = at.session_state.entry.number
    at.text_input(f"query-{number}").set_value(query)
    at.text_area(f"documents-{number}").set_value("\n".join(documents))
    return at.run()


def ranked(query: str, documents: list[str]) -> AppTest:
    at = entered(page(), query, documents)
    return at.button("rerank").click().run()


def said(alert: Any) -> str:
    """The title and the text of a box."""
    return f"{alert.proto.title} {alert.value}"


def labels(at: AppTest) -> list[str]:
    """The rows of the list."""
    return [one.label for one in at.expander if one.label.startswith("**")]


def order(at: AppTest) -> list[int]:
    """The places before, in the new order."""
    return [int(label.split("~~")[1]) for label in labels(at)]


def test_a_row_holds_rank_score_movement_place_before_and_text(service: Service) -> None:
    long = "c " * 60
    at = ranked("a b", ["x", "a", "a b", long])
    assert not at.exception
    assert labels(at) == [
        "**1** `1.000` *↑ 2* ~~3~~ `a b`",
        "**2** `0.500` *–* ~~2~~ `a`",
        "**3** `0.000` *↓ 2* ~~1~~ `x`",
        f"**4** `0.000` *–* ~~4~~ `{long[:START].rstrip()}…`",
    ]
    rows = [one for one in at.expander if one.label.startswith("**")]
    assert [one.text[0].value for one in rows] == ["a b", "a", "x", long.strip()]
    assert at.subheader[0].value == "Results for `a b`"
    assert at.caption[1].value.startswith("4 documents in ")
    assert at.caption[1].value.endswith("2 moved")


def test_one_document_is_singular(service: Service) -> None:
    assert ranked("a", ["a"]).caption[1].value.startswith("1 document in ")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.names[1])
def test_examples_run(service: Service, example: object) -> None:
    at = page()
    at.button_group("example").set_value(example).run()
    at.button("rerank").click().run()
    assert not at.exception
    assert len(labels(at)) >= 6


def test_a_ranking_that_is_cut_off_goes_on_in_the_next_run(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streamlit ends a run so when the visitor clicks on something else meanwhile."""
    with monkeypatch.context() as patch:
        patch.setattr(page_request, "rerank_for_page", cut_off)
        at = ranked("a", ["b", "a"])
        assert not labels(at)
    assert order(at.run()) == [2, 1]
    assert not at.exception


def cut_off(*_: object) -> tuple[ShownRanking, ...]:
    raise StopException


def test_a_visitor_who_leaves_frees_the_queue(service: Service) -> None:
    scorer, gate = fake(service), threading.Event()
    scorer.function = lambda query, document: float(gate.wait(PATIENCE))
    first = asyncio.run_coroutine_threadsafe(service.rerank("first", ["x"]), service.loop)
    wait_until(lambda: scorer.calls[-1][0] == "first")
    request = PageRequest("gone", ("x",), Choice())
    with pytest.raises(StopException):
        page_request.rerank_for_page(service, None, request, cut_off)
    wait_until(lambda: service.waiting == 1)
    gate.set()
    assert first.result(PATIENCE).results[0].score == 1


def test_both_languages(service: Service) -> None:
    at = page()
    assert at.button("rerank").label == "Rerank"
    at.button_group("language").set_value("中文").run()
    assert at.button("rerank").label == "重新排序"
    assert at.title[0].value == "重排"


def test_top_n_and_instruction_reach_the_scorer(service: Service) -> None:
    at = page()
    at.number_input("top_n").set_value(1)
    at.text_area("instruction").set_value("Find it")
    at = entered(at, "a", ["b", "a"]).button("rerank").click().run()
    assert order(at) == [2]
    assert fake(service).calls[-1] == ("a", ["b", "a"], "Find it")


@pytest.mark.parametrize(("query", "documents"), [("", ["a"]), (" ", ["a"]), ("q", [""])])
def test_what_is_missing_is_asked_for(service: Service, query: str, documents: list[str]) -> None:
    at = ranked(query, documents)
    assert len(at.warning) == 1
    assert not labels(at)


def test_a_result_is_marked_once_the_inputs_change(service: Service) -> None:
    at = ranked("a", ["b", "a"])
    assert not at.warning
    at.text_input("query-0").set_value("b").run()
    assert "have changed" in at.warning[0].value
    assert at.subheader[0].value == "Results for `a`"
    at.text_input("query-0").set_value("a").run()
    assert not at.warning
    at.number_input("top_n").set_value(1).run()
    assert "have changed" in at.warning[0].value
    assert not at.button("rerank").click().run().warning


def test_earlier_results_come_back_with_their_inputs(service: Service) -> None:
    at = ranked("a", ["b", "a"])
    assert not at.selectbox[1:], "one result needs no history"
    entered(at, "b", ["b", "c", "d"]).button("rerank").click().run()
    history = at.selectbox[0]
    assert [one.partition(" · ")[2] for one in history.options] == [
        "b · 3 documents",
        "a · 2 documents",
    ]
    history.select_index(1)
    at.run()
    assert order(at) == [2, 1]
    assert at.text_input("query-1").value == "a"
    assert at.text_area("documents-1").value == "b\na"
    assert not at.warning, "it is not out of date"


def test_the_server_remembers_no_more_than_its_limits() -> None:
    def result(number: int, characters: int) -> ShownResult:
        request = PageRequest("q", ("x" * characters,), Choice())
        return ShownResult(number, "", Entry(), request, ())

    assert len(within_limits([result(i, 1) for i in range(20)])) == MOST
    large = [result(i, MOST_CHARACTERS) for i in range(3)]
    assert within_limits(large) == large[:1]


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
    link, is_whole = within_limit({"query": "q", "documents": "文" * LONGEST})
    assert (link, is_whole) == ("query=q", False)
    assert within_limit({"query": "q" * LONGEST, "top_n": 3}) == ("top_n=3", False)


def test_what_does_not_fit_into_the_link_is_said(service: Service) -> None:
    at = entered(page(), "a", ["x" * LONGEST])
    assert any("too long for the page's address" in one.value for one in at.caption)


def test_two_instructions_side_by_side(service: Service) -> None:
    fake(service).function = lambda query, document: float(document == "a")
    at = page(query="a", documents="a\nb", comparison="instruction", other_instruction="Other")
    at.button("rerank").click().run()
    assert order(at) == [1, 2, 1, 2]
    sides = [one.value for one in at.markdown if one.value.startswith("**")]
    assert sides == ["**A** Default instruction", "**B** `Other`"]


def test_two_models_side_by_side(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake(service), "function", lambda query, document: float(document == "b"))
    settings = ServerSettings(scorer=FakeScorer())
    monkeypatch.setattr(current, "other", OtherModel(settings, "other-model"))
    at = page(query="a", documents="b\na", comparison="model")
    at.button("rerank").click().run()
    assert not at.exception
    assert order(at) == [1, 2, 2, 1]
    sides = [one.value for one in at.markdown if one.value.startswith("**")]
    assert sides[1] == "**B** `other-model`"


def test_the_threshold_hides_rows_without_a_new_request(service: Service) -> None:
    at = ranked("a b", ["x", "a", "a b"])
    calls = len(fake(service).calls)
    at.slider("threshold").set_value(0.5).run()
    assert order(at) == [3, 2]
    assert at.caption[1].value.endswith("2 with a score of at least 0.50")
    assert len(fake(service).calls) == calls


def test_long_lists_have_pages(service: Service) -> None:
    at = ranked("a", [f"text {number}" for number in range(ROWS + 5)])
    assert len(labels(at)) == ROWS


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


def test_markup_in_documents_is_text(service: Service) -> None:
    at = ranked("b", MARKUP)
    spoken = [*at.markdown, *at.caption, *at.title, *at.subheader, *at.success, *at.error]
    for text in MARKUP[:2]:
        assert not any(text[:8] in element.value for element in spoken)
        assert all(f" `{text[:8]}" in label for label in labels(at) if text[:8] in label)
    assert as_code("a `b` ``c``\nd") == "`a ´b´ ´´c´´ d`"


def test_errors_are_sentences_and_hold_the_apis_message(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "state", "loading")
    assert "still loading" in said(ranked("a", ["b"]).error[0])
    monkeypatch.setattr(service, "state", "failed")
    assert "server's log" in said(ranked("a", ["b"]).error[0])
    monkeypatch.setattr(service, "state", "ready")
    slow = "9 documents of this length take about 125 seconds here, and 60 is the limit"

    async def refuse(*_: object, **__: object) -> None:
        raise RequestTooLargeError(slow)

    monkeypatch.setattr(service, "rerank", refuse)
    shown = said(ranked("a", ["b"]).error[0])
    assert slow in shown
    assert "Send fewer or shorter documents" in shown


def test_a_failure_of_any_kind_is_a_sentence_and_in_the_log(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(query: str, document: str) -> float:
        raise RuntimeError(document)

    fake(service).function = fail
    at = ranked("a", ["secret"])
    assert "server's log" in said(at.error[0])
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text
    calls = len(fake(service).calls)
    at.button_group("language").set_value("中文").run()
    assert len(fake(service).calls) == calls, "what failed is not tried again by itself"


def test_without_the_key_there_is_nothing_but_its_field() -> None:
    guarded = Service(ServerSettings(scorer=FakeScorer(), server_api_key=SecretStr("horse")))
    with pytest.MonkeyPatch.context() as patch, on_a_loop(guarded):
        patch.setattr(current, "service", guarded)
        at = page(query="a")
        assert len(at.text_input) == 1
        assert not at.file_uploader
        assert not at.text_area
        at.text_input("key").set_value("donkey")
        at.button[0].click().run()
        assert "not correct" in at.error[0].value
        assert not at.file_uploader
        at.text_input("key").set_value("horse")
        at.button[0].click().run()
        assert at.text_input("query-0").value == "a"
        assert at.run().file_uploader, "the key is not needed again"


def outcome(documents: list[str]) -> ShownRanking:
    results = [RerankResult(i, 0.5) for i in reversed(range(len(documents)))]
    return ShownRanking("q", documents, results, 0.1)


def test_downloads() -> None:
    made = outcome(["=1+1", "二, 三"])
    rows = list(csv.reader(io.StringIO(made.as_csv().decode("utf-8-sig"))))
    assert rows[1:] == [["1", "1", "0.5", "1", "二, 三"], ["2", "0", "0.5", "-1", "'=1+1"]]
    whole = json.loads(made.as_json())
    assert [row["document"] for row in whole["reranked_documents"]] == ["二, 三", "=1+1"]


@pytest.mark.parametrize(
    "formula",
    [
        "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\xa0=1", "\u200b=1",
        "\ufeff=1", "\u3000=1", "\u202e=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff201", "\u22121",
    ],
)  # fmt: skip
def test_a_spreadsheet_runs_no_document(formula: str) -> None:
    made = outcome([formula, "a = b", "１+1", "", " - "])
    rows = list(csv.reader(io.StringIO(made.as_csv().decode("utf-8-sig"), newline="")))
    cells = {int(row[1]): row[-1] for row in rows[1:]}
    assert cells == {0: f"'{formula}", 1: "a = b", 2: "１+1", 3: "", 4: "' - "}


@pytest.mark.parametrize("count", [1, 2, 50])
def test_the_picture_stands_with_few_and_with_many(count: int) -> None:
    rows = outcome([f"text {number}" for number in range(count)]).rows()
    drawn = draw(rows, Translator("中文"), ("前", "后"), is_dark=True).to_dict()
    [ends] = drawn["datasets"].values() if "datasets" in drawn else [drawn["data"]["values"]]
    assert len(ends) == 2 * count
    assert 17 <= drawn["height"] / count <= 34
    assert "</" not in json.dumps(drawn)
    assert text_of(rows, Translator("English")).count("→") == count + 1


@pytest.mark.parametrize(("is_dark", "background"), [(False, "#ffffff"), (True, "#171614")])
def test_the_picture_is_readable(is_dark: bool, background: str) -> None:
    numbers, texts = INK[is_dark]
    assert contrast(texts, background) >= 4.5
    for colour in COLOURS[is_dark]:
        assert contrast(colour, background) >= 3
        assert contrast(numbers, colour) >= 4.5


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
    assert start_of(" a\n b ") == "a b"


def test_the_example_is_the_documents() -> None:
    assert ZH_QUERY == "客户投诉响应超时的SOP处理流程"
    assert any("SOP" in text and "超时" in text for text in ZH_DOCUMENTS[1:])
