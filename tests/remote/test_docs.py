"""The promise in the documents names every fault that is tested, and every dialect."""

from __future__ import annotations

from pathlib import Path

import pytest

from qwen_rerank.scorers.remote.dialects import DIALECTS
from tests.remote.faults import FAULTS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["remote.md", "remote.zh-CN.md"])
def test_the_promise_is_complete(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert [str(fault) for fault in FAULTS if str(fault) not in text] == []
    assert [name for name in DIALECTS if f"`{name}`" not in text] == []
