"""One Ray cluster on this machine for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from tests.ray.machines import Machines


@pytest.fixture(scope="session")
def machines() -> Iterator[Machines]:
    """See `Machines`."""
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed: it comes with the extra ray")
    with Machines() as machines:
        yield machines
