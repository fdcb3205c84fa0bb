"""The page about measuring and tuning, in both languages: its examples run as printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples.pages import ROOT, PageRunner, blocks_of, shape

FILES = [ROOT / "docs" / f"evaluation{end}.md" for end in ("", ".zh-CN")]


def test_both_languages_run_the_same_code() -> None:
    english, chinese = ([shape(block) for block in blocks_of(file)] for file in FILES)
    assert english == chinese


@pytest.mark.slow
def test_every_example_runs_as_printed(tmp_path: Path) -> None:
    with PageRunner(tmp_path) as runner:
        printed = "".join(runner.run(block) for block in blocks_of(FILES[0]))
    assert "hits@3" in printed
    assert "Refunds" in printed.splitlines()[-1]
