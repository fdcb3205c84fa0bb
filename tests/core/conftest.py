"""What the tests of the core share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from qwen_rerank.scorers.local.hub import BUILTIN_FOLDER


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the built-in model, to be changed."""
    return shutil.copytree(BUILTIN_FOLDER, tmp_path / "model")
