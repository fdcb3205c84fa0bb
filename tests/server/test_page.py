"""The page without a browser: what it ranks, says and shows."""

from __future__ import annotations

import asyncio
import threading

import pytest
from pydantic import SecretStr
from streamlit.runtime.scriptrunner import StopException

from qwen_rerank.errors import ScorerUnavailableError
from qwen_rerank.scorers.fallback import FallbackScorer
from qwen_rerank.server.page import current
from qwen_rerank.server.page import request as page_request
from qwen_rerank.server.page.choice import Choice, PageRequest
from qwen_rerank.server.page.entry import Entry
from qwen_rerank.server.page.examples import EXAMPLES
from qwen_rerank.server.page.other_model import OtherModel
from qwen_rerank.server.page.ranking_list import ROWS
from qwen_rerank.server.page.shown import (
    START,
    ShownRanking,
    ShownResult,
    as_code,
)
from qwen_rerank.server.page.visit import MOST, MOST_CHARACTERS, within_limits
from qwen_rerank.server.service import Service
from qwen_rerank.server.settings import ServerSettings
from qwen_rerank.testing import FakeScorer
from tests.server.running import PATIENCE, on_a_loop, wait_until
from tests.server.visitor import entered, fake, labels, order, page, ranked

OUTAGE = ScorerUnavailableError("nobody answers")
MARKUP = ["<script>alert(1)</script> [link](http://x)", "![img](http://x/y.png) $x$ :red[a]", "b"]


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
    assert at.subheader[0].value == "Results for “`a b`”"
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


def test_a_result_is_marked_once_the_inputs_change(service: Service) -> None:
    at = ranked("a", ["b", "a"])
    assert not at.warning
    at.text_input("query-0").set_value("b").run()
    assert "have changed" in at.warning[0].value
    assert at.subheader[0].value == "Results for “`a`”"
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


def test_markup_in_documents_is_text(service: Service) -> None:
    at = ranked("b", MARKUP)
    spoken = [*at.markdown, *at.caption, *at.title, *at.subheader, *at.success, *at.error]
    for text in MARKUP[:2]:
        assert not any(text[:8] in element.value for element in spoken)
        assert all(f" `{text[:8]}" in label for label in labels(at) if text[:8] in label)
    assert as_code("a `b` ``c``\nd") == "`a ´b´ ´´c´´ d`"


def test_scores_of_the_fallback_model_are_marked() -> None:
    settings = ServerSettings(scorer=FallbackScorer(FakeScorer(error=OUTAGE), FakeScorer()))
    with pytest.MonkeyPatch.context() as patch, on_a_loop(Service(settings)) as served:
        patch.setattr(current, "service", served)
        at = ranked("a", ["b", "a"])
    assert order(at) == [2, 1]
    assert "fallback model" in at.warning[0].value
    assert sum("nobody answers" in one.value for one in at.text) == 2, "the reason in each row"


def test_an_outage_leaves_the_order_and_is_said() -> None:
    settings = ServerSettings(scorer=FakeScorer(), on_error="original_order")
    with pytest.MonkeyPatch.context() as patch, on_a_loop(Service(settings)) as served:
        patch.setattr(current, "service", served)
        fake(served).error = OUTAGE
        at = ranked("a", ["b", "a"])
    assert order(at) == [1, 2]
    assert "could not be reranked" in at.warning[0].value


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
