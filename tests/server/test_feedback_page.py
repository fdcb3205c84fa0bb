"""The page where feedback is stored: the boxes in a result, and the figures in their tab."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from qwen_rerank.feedback import FeedbackStore
from qwen_rerank.server.page import SCRIPT, current
from qwen_rerank.server.page.translations import Translator
from qwen_rerank.server.page.trend import lines, together
from qwen_rerank.server.service import Service
from qwen_rerank.server.settings import ServerSettings
from qwen_rerank.testing import FakeScorer
from tests.server.running import on_a_loop, wait_until


@pytest.fixture
def store(tmp_path: Path) -> FeedbackStore:
    return FeedbackStore(tmp_path / "feedback.db")


@pytest.fixture
def settings() -> dict[str, Any]:
    return {}


@pytest.fixture(autouse=True)
def service(
    monkeypatch: pytest.MonkeyPatch, store: FeedbackStore, settings: dict[str, Any]
) -> Iterator[Service]:
    monkeypatch.setattr("qwen_rerank.server.recorder.SHARE_OF_READING", 0)  # figures age at once
    made = Service(ServerSettings(scorer=FakeScorer(), feedback=str(store.path), **settings))
    with on_a_loop(made):
        monkeypatch.setattr(current, "service", made)
        yield made


def ranked() -> AppTest:
    at = AppTest.from_file(str(SCRIPT), default_timeout=60).run()
    at.text_input("query-0").set_value("a b")
    at.text_area("documents-0").set_value("x\na\nz\na b")
    return at.button("rerank").click().run()


def box(at: AppTest, place: int) -> Any:
    """The box of the row at this place, from 0."""
    return [one for one in at.checkbox if one.label == "Relevant"][place]


def used(at: AppTest, choice: str) -> AppTest:
    [control] = [one for one in at.button_group if "Did you use" in one.proto.label]
    return control.set_value(choice).run()


def test_a_click_on_a_row_is_saved_and_shown(store: FeedbackStore) -> None:
    at = ranked()
    box(at, 0).check().run()
    assert not at.exception
    assert [one.value for one in at.toast] == ["Feedback saved. Thank you!"]
    assert [one.relevant for one in store.judged()] == [[3]]
    used(at, "yes")
    totals = store.totals()
    assert (totals.hits, totals.hits_before, totals.adopted) == (1, 0, 1)
    wait_until(lambda: [one.value for one in looked().metric] == ["100 %", "100 %"])
    shown = looked()
    assert [one.delta for one in shown.metric] == ["0 % without reranking", ""]
    table = shown.dataframe[0].value
    assert list(table["Requests"]) == [1]
    assert list(table["Hits without reranking"]) == [0]


def looked() -> AppTest:
    return AppTest.from_file(str(SCRIPT), default_timeout=60).run()


def test_a_visitor_can_say_that_none_is_relevant(store: FeedbackStore) -> None:
    at = ranked()
    at.checkbox[-1].check().run()
    assert [one.relevant for one in store.judged()] == [[]]
    assert store.totals().hit_rate == 0
    assert box(at, 0).disabled, "it would contradict that"


def test_clicks_add_up_and_can_be_taken_back(store: FeedbackStore) -> None:
    at = ranked()
    box(at, 0).check().run()
    box(at, 1).check().run()
    assert [sorted(one.relevant) for one in store.judged()] == [[1, 3]]
    box(at, 0).uncheck().run()
    box(at, 1).uncheck().run()
    assert [one.relevant for one in store.judged()] == [[]]


def test_use_alone_says_nothing_of_relevance(store: FeedbackStore) -> None:
    used(ranked(), "no")
    assert (store.totals().judged, store.totals().answers) == (0, 1)


def test_a_stalled_file_shows_the_last_figures(
    service: Service, store: FeedbackStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwen_rerank.server.recorder.SHARE_OF_READING", 0)  # out of date at once
    store.record_answer(True)
    wait_until(lambda: len(looked().metric) > 0)
    assert service.recorder
    stalled = threading.Event()
    service.loop.call_soon_threadsafe(service.recorder.call, lambda: stalled.wait(60))
    try:
        assert looked().metric, "which no read can bring before the stall ends"
    finally:
        stalled.set()


def test_a_broken_file_is_a_sentence(store: FeedbackStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_rerank.server.recorder.SECONDS_FOR_A_CLICK", 4.0)  # to hear of it
    store.path.write_bytes(b"no database at all" * 1000)
    at = ranked()
    assert box(at, 0), "the ranking itself is shown"
    assert "can't be read" in at.error[0].value
    assert "could not be saved" in used(at, "no").toast[0].value


@pytest.mark.parametrize("settings", [{"server_api_key": SecretStr("horse")}])
def test_the_figures_ask_for_the_key(settings: dict[str, Any]) -> None:
    at = AppTest.from_file(str(SCRIPT), default_timeout=60).run()
    assert at.text_input("key")
    assert not at.metric
    assert not at.info


def test_a_line_is_made_of_the_days_that_know(store: FeedbackStore) -> None:
    one = store.record_ranking("q", ["a"])
    store.record_feedback(one, adopted=True)
    days = store.days()
    found = lines(days, Translator("English"), ("adoption_rate", "adoption_rate_before"))
    assert found == [{"day": days[0].day, "line": "without", "value": 1.0}]
    assert together([days[0].statistics] * 2).adopted_before == 2
