"""A server on the tiny model for all tests that only ask, and a service behind the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from qwen_rerank.server.page import current
from qwen_rerank.server.service import Service
from qwen_rerank.server.settings import ServerSettings
from qwen_rerank.testing import FakeScorer
from tests.server.running import Running, on_a_loop, serving


@pytest.fixture(scope="session")
def server(tiny_model: Path) -> Iterator[Running]:
    with serving(model=str(tiny_model), device="cpu") as running:
        yield running


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service on a loop of its own, as the server gives it to the page."""
    made = Service(ServerSettings(scorer=FakeScorer()))
    with on_a_loop(made):
        monkeypatch.setattr(current, "service", made)
        yield made
