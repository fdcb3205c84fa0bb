"""The page without a browser: what it says when there is no result, or not yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
import streamlit as st

from qwen_rerank.errors import OverloadedError, RequestTooLargeError
from qwen_rerank.server.page import request as page_request
from qwen_rerank.server.service import Service
from qwen_rerank.server.settings import ServerSettings
from tests.server.visitor import entered, fake, order, page, ranked, said


def test_errors_are_sentences_and_hold_the_apis_message(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = "9 documents of this length take about 125 seconds here, and 60 is the limit"
    refuse_with(RequestTooLargeError(slow), service, monkeypatch)
    shown = said(ranked("a", ["b"]).error[0])
    assert slow in shown
    assert "Send fewer documents or shorter texts" in shown
    refuse_with(OverloadedError("500 documents wait"), service, monkeypatch)
    assert "The server is busy" in said(ranked("a", ["b"]).error[0])


def refuse_with(error: Exception, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(service, "rerank", refuse)


def test_errors_are_told_in_the_visitors_language(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "settings", ServerSettings(max_documents=1))
    at = entered(page(language="zh"), "a", ["a", "b"])
    shown = said(at.button("rerank").click().run().error[0])
    assert shown.startswith("文档太多，请分几次提交。 服务器返回的原文：2 documents")


def test_a_click_waits_until_the_model_is_loaded(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str] = []
    monkeypatch.setattr(service, "state", "loading")
    service.loaded.clear()

    def load() -> None:
        service.state = "ready"
        service.loop.call_soon_threadsafe(service.loaded.set)

    @contextmanager
    def spinner(text: str) -> Iterator[None]:
        texts.append(text)
        yield

    waiting = partial(page_request.rerank_for_page, check=load)
    monkeypatch.setattr(page_request, "rerank_for_page", lambda *given: waiting(*given[:3]))
    monkeypatch.setattr(st, "spinner", spinner)
    assert order(ranked("a", ["b", "a"])) == [2, 1]
    assert texts == ["The model is loading. Scoring starts as soon as it is ready…"]


def test_a_model_that_did_not_load_is_a_sentence(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "state", "failed")
    assert "server's log" in said(ranked("a", ["b"]).error[0])


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
