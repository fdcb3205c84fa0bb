"""The page without a browser: what it says, shows and hands out."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import threading
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from streamlit.runtime.scriptrunner import StopException
from streamlit.testing.v1 import AppTest

from qwen_rerank.server.examples import ZH_DOCUMENTS, ZH_QUERY
from qwen_rerank.server.page import SCRIPT, command, current
from qwen_rerank.server.page import request as page_request
from qwen_rerank.server.page.choice import Choice
from qwen_rerank.server.page.picture import MOST, draw
from qwen_rerank.server.page.shown import START, ShownRanking, arrow, start_of
from qwen_rerank.server.page.translations import LANGUAGES, TEXTS, Translator, language_of
from qwen_rerank.server.service import Service
from qwen_rerank.server.settings import ServerSettings
from qwen_rerank.testing import FakeScorer
from qwen_rerank.types import RerankResult
from tests.server.running import PATIENCE, on_a_loop, wait_until

MARKUP = ["<script>alert(1)</script> [link](http://x)", "![img](http://x/y.png) $x$ :red[a]", "b"]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service on a loop of its own, as the server gives it to the page."""
    made = Service(ServerSettings(scorer=FakeScorer()))
    with on_a_loop(made):
        monkeypatch.setattr(current, "service", made)
        yield made


def page() -> AppTest:
    return AppTest.from_file(str(SCRIPT), default_timeout=60).run()


def ranked(query: str, documents: list[str]) -> AppTest:
    at = page()
    at.text_input("query-0").set_value(query)
    at.text_area("documents-0").set_value("\n".join(documents))
    return at.button("rerank").click().run()


def test_a_ranking_from_query_to_table(service: Service) -> None:
    long = "c " * 60
    at = ranked("a b", ["x", "a", "a b", long])
    assert not at.exception
    table = at.dataframe[0].value
    assert list(table.columns) == ["Rank", "Score", "Moved", "Index", "First 50 characters"]
    assert list(table["Index"]) == [2, 1, 0, 3]
    assert list(table["Rank"]) == [1, 2, 3, 4]
    assert list(table["Score"]) == [1.0, 0.5, 0.0, 0.0]
    assert list(table["Moved"]) == ["↑ 2", "–", "↓ 2", "–"]
    assert table["First 50 characters"].iloc[3] == long.strip()[:START] + "…"
    assert [e.text[0].value for e in at.expander if e.text] == ["a b", "a", "x", long.strip()]


@pytest.mark.parametrize("name", ["example_zh", "example_en"])
def test_examples_run(service: Service, name: str) -> None:
    at = page()
    at.button(name).click().run()
    at.button("rerank").click().run()
    assert not at.exception
    assert len(at.dataframe[0].value) >= 7


def test_a_ranking_that_is_cut_off_goes_on_in_the_next_run(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streamlit ends a run so when the visitor clicks on something else meanwhile."""
    with monkeypatch.context() as patch:
        patch.setattr(page_request, "rerank_for_page", cut_off)
        at = ranked("a", ["b", "a"])
        assert not at.dataframe
    assert list(at.run().dataframe[0].value["Index"]) == [1, 0]
    assert not at.exception


def cut_off(*_: object) -> ShownRanking:
    raise StopException


def test_a_visitor_who_leaves_frees_the_queue(service: Service) -> None:
    fake, gate = service.settings.scorer, threading.Event()
    assert isinstance(fake, FakeScorer)
    wait_until(lambda: service.state == "ready")
    fake.function = lambda query, document: float(gate.wait(PATIENCE))
    first = asyncio.run_coroutine_threadsafe(service.rerank("first", ["x"]), service.loop)
    wait_until(lambda: fake.calls[-1][0] == "first")
    with pytest.raises(StopException):
        page_request.rerank_for_page(
            service, "gone", ["x"], Choice(None, None, may_ask=True), cut_off
        )
    wait_until(lambda: service.waiting == 1)
    gate.set()
    assert first.result(PATIENCE).results[0].score == 1


def test_both_languages(service: Service) -> None:
    at = page()
    assert at.button("rerank").label == "Rerank"
    at.radio("language").set_value("中文").run()
    assert at.button("rerank").label == "重新排序"
    assert at.title[0].value == "重排"


def test_top_n_and_instruction_reach_the_scorer(service: Service) -> None:
    at = page()
    at.number_input("top_n").set_value(1)
    at.text_area("instruction").set_value("Find it")
    at.text_input("query-0").set_value("a")
    at.text_area("documents-0").set_value("b\na")
    at.button("rerank").click().run()
    assert list(at.dataframe[0].value["Index"]) == [1]
    scorer = service.settings.scorer
    assert isinstance(scorer, FakeScorer)
    assert scorer.calls[-1] == ("a", ["b", "a"], "Find it")


@pytest.mark.parametrize(("query", "documents"), [("", ["a"]), (" ", ["a"]), ("q", [""])])
def test_what_is_missing_is_asked_for(service: Service, query: str, documents: list[str]) -> None:
    at = ranked(query, documents)
    assert len(at.warning) == 1
    assert not at.dataframe


def test_markup_in_documents_is_text(service: Service) -> None:
    at = ranked("b", MARKUP)
    spoken = [*at.markdown, *at.caption, *at.title, *at.subheader, *at.success, *at.error]
    labels = [expander.label for expander in at.expander]
    for text in MARKUP[:2]:
        assert not any(text[:8] in element.value for element in spoken)
        assert not any(text[:8] in label for label in labels)


def test_errors_are_sentences(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "state", "loading")
    assert "still loading" in ranked("a", ["b"]).error[0].value
    monkeypatch.setattr(service, "state", "failed")
    assert "server's log" in ranked("a", ["b"]).error[0].value
    monkeypatch.setattr(service, "state", "ready")
    monkeypatch.setattr(service.settings, "max_documents", 2)
    assert "more than the server takes" in ranked("a", ["b", "c", "d"]).error[0].value


def test_a_failure_of_any_kind_is_a_sentence_and_in_the_log(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(query: str, document: str) -> float:
        raise RuntimeError(document)

    fake = service.settings.scorer
    assert isinstance(fake, FakeScorer)
    wait_until(lambda: service.state == "ready")
    fake.function = fail
    at = ranked("a", ["secret"])
    assert "server's log" in at.error[0].value
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text
    calls = len(fake.calls)
    at.radio("language").set_value("中文").run()
    assert len(fake.calls) == calls, "what failed is not asked again by itself"


def test_where_the_api_has_a_key_the_page_has_one() -> None:
    guarded = Service(ServerSettings(scorer=FakeScorer(), server_api_key=SecretStr("horse")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(current, "service", guarded)
        at = page()
        assert "access key" in at.warning[0].value
        assert not at.get("file_uploader")
        at.text_input("key").set_value("donkey").run()
        assert not at.get("file_uploader")
        at.text_input("key").set_value("horse").run()
        assert at.get("file_uploader")


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


@pytest.mark.parametrize("count", [1, 2, MOST + 10])
def test_the_picture_shows_the_best(count: int) -> None:
    made = draw(
        outcome([f"text {number}" for number in range(count)]), Translator("中文")
    ).to_dict()
    [ends] = made["datasets"].values() if "datasets" in made else [made["data"]["values"]]
    assert len(ends) == 2 * min(count, MOST)
    assert "</" not in json.dumps(made)


def test_the_command_survives_any_text() -> None:
    import shlex

    query = 'it\'s "$HOME" `ls` \\ \n'
    line = command.curl(
        "http://h:1", query, ["d'"], Choice(2, None, may_ask=True), key=True
    ).replace("\\\n", " ")
    words = shlex.split(line)
    assert words[:2] == ["curl", "http://h:1/rerank"]
    assert json.loads(words[-1]) == {"query": query, "documents": ["d'"], "top_n": 2}
    assert "Authorization: Bearer <key>" in words


def test_words() -> None:
    assert all(len(both) == len(LANGUAGES) and all(both) for both in TEXTS.values())
    assert language_of("zh-CN") == "中文"
    assert (language_of("en-US"), language_of(None)) == ("English", "English")
    assert (arrow(3), arrow(-2), arrow(0)) == ("↑ 3", "↓ 2", "–")
    assert start_of(" a\n b ") == "a b"


def test_the_example_is_the_documents(service: Service) -> None:
    assert ZH_QUERY == "客户投诉响应超时的SOP处理流程"
    assert any("SOP" in text and "超时" in text for text in ZH_DOCUMENTS[1:])
    wait_until(lambda: service.state == "ready")
