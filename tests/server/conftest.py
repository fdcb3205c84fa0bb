"""One REST server on the tiny model for all tests that only ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.running import Running, serving


@pytest.fixture(scope="session")
def server(tiny_model: Path) -> Iterator[Running]:
    with serving(model=str(tiny_model), device="cpu") as running:
        yield running
