"""The oldest transformers that the package admits gives the official scores, too."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ("tests/core/test_parity.py", "tests/core/test_engine.py")
BESIDE = ("tokenizers==0.22.0", "huggingface-hub==0.34.4")
"""What that transformers asks for and newer ones no longer take."""


@pytest.fixture
def lowest(tmp_path: Path) -> Path:
    """A folder with it, to stand before the newest one on Python's path."""
    [version] = re.findall(r'"transformers>=([\d.]+)', (ROOT / "pyproject.toml").read_text())
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target"]
    packages = [f"transformers=={version}.*", *BESIDE]
    done = subprocess.run(
        [*command, str(tmp_path), *packages], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"pip can't install {packages[0]} here: {done.stderr.strip()[-200:]}")
    assert list(tmp_path.glob(f"transformers-{version}.*")), "another version came"
    return tmp_path


@pytest.mark.slow
def test_parity_and_engine(lowest: Path) -> None:
    paths = os.pathsep.join(map(str, (lowest, ROOT / "core", ROOT)))
    choice = "not any_batch_split and not compile and not true"  # tested with the newest
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", choice, *TESTS],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"\d+ passed", done.stdout)
