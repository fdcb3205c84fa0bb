"""The road in both languages: the same examples, and each runs as printed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.examples.pages import ROOT, Block, PageRunner, blocks_of

FILES = [ROOT / "docs" / f"road{end}.md" for end in ("", ".zh-CN")]
PAGES = [file.read_text("utf-8") for file in FILES]


def test_both_languages_show_the_same_examples_and_headings() -> None:
    assert blocks_of(FILES[0]) == blocks_of(FILES[1])
    for pattern in (r"^#+ \d\.", r"^\|", r"\]\((?!road|evaluation|remote|\.\./README)"):
        counts = [len(re.findall(pattern, page, re.MULTILINE)) for page in PAGES]
        assert counts[0] == counts[1], pattern


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)", page):
            assert (ROOT / "docs" / link).exists(), link


@pytest.mark.slow
def test_every_example_runs_as_printed(tmp_path: Path) -> None:
    """In order, in one folder, as a reader would; only the port is another one.

    The Chinese page shows the same blocks, as the first test says.
    """
    with PageRunner(tmp_path) as runner:
        printed = [(block, runner.run(block)) for block in blocks_of(FILES[0])]
    assert "A refund takes five working days." in _of(printed, "rerank rerank").splitlines()[1]
    assert _of(printed, "feedback.totals()").splitlines() == ["1.0 1.0 1.0"]
    assert (tmp_path / "measured" / "after.trec").exists()
    assert 'rerank_feedback_hit_rate{order="reranked"} 1.0' in _of(printed, "/metrics")
    judged = (tmp_path / "judged.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["relevant"] for line in judged] == [[2]]


def _of(printed: list[tuple[Block, str]], part: str) -> str:
    """What the block with this part in its code printed."""
    [output] = [output for block, output in printed if part in block.code]
    return output
