"""A visitor of the page, without a browser."""

from __future__ import annotations

from typing import Any

from streamlit.testing.v1 import AppTest

from qwen_rerank.server.page import SCRIPT
from qwen_rerank.server.service import Service
from qwen_rerank.testing import FakeScorer
from tests.server.running import wait_until


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
