"""One Ray cluster on this machine for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from tests.ray.machines import Machines


@pytest.fixture(scope="session")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """A head and two machines with a core each; Serve listens on the head."""
    if find_spec("ray") is None:
        pytest.skip('Ray is not installed: pip install "qwen-rerank[ray]"')
    with Machines(tmp_path_factory.mktemp("ray")) as machines:
        yield machines
