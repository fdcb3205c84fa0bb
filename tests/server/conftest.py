"""A server on the tiny model for all tests that only ask, and a service behind the page."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qwen_rerank.server.page import current
from qwen_rerank.server.service import Service
from qwen_rerank.server.settings import ServerSettings
from qwen_rerank.testing import FakeScorer
from tests.server.browser import CHROMIUM, FLAGS, MOST_DOCUMENTS
from tests.server.running import Running, on_a_loop, serving
from tests.server.test_stop import process


@pytest.fixture(scope="session")
def server(tiny_model: Path) -> Iterator[Running]:
    """It has time: on a busy machine, a long document is refused within a minute's deadline."""
    with serving(model=str(tiny_model), device="cpu", deadline=600) as running:
        yield running


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service on a loop of its own, as the server gives it to the page."""
    made = Service(ServerSettings(scorer=FakeScorer()))
    with on_a_loop(made):
        monkeypatch.setattr(current, "service", made)
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One for each file: while it is open, Playwright's loop keeps async tests from running."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def page_url(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    model = os.environ.get("QWEN_RERANK_TEST_PAGE_MODEL", "builtin")
    feedback = str(tmp_path_factory.mktemp("page") / "feedback.db")
    options = ("--compare-model", "builtin", "--max-documents", str(MOST_DOCUMENTS))
    with process("--model", model, "--device", "cpu", "--feedback", feedback, *options) as (_, url):
        yield url
