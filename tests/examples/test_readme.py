"""The READMEs: every block runs as printed, and prints what the page shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.examples.pages import NOT_RUN, ROOT, Block, PageRunner, blocks_of, shape

READMES = ["README.md", "README.zh-CN.md"]
DOCS = ["docs/road.md", "docs/road.zh-CN.md", "docs/evaluation.md", "docs/evaluation.zh-CN.md"]
PAGES = [*READMES, *DOCS]
_SCORE = re.compile(r"\b[01]\.\d+\b")
TOLERANCE = 0.01
"""Between scores of different machines."""


@pytest.mark.slow
@pytest.mark.parametrize("name", READMES)
def test_every_block_runs_as_printed(name: str, tmp_path: Path) -> None:
    with PageRunner(tmp_path) as runner:
        for block in _blocks_to_run(name):
            _check_output(block, runner.run(block))


def _blocks_to_run(name: str) -> list[Block]:
    """All blocks; of the Chinese page, no commands that the English page shows word for word."""
    seen = blocks_of(ROOT / READMES[0]) if name != READMES[0] else []
    return [block for block in blocks_of(ROOT / name) if block.kind != "sh" or block not in seen]


def _check_output(block: Block, printed: str) -> None:
    """The texts are equal; scores may differ a little between machines."""
    if not block.output:
        return
    assert _SCORE.sub("", printed) == _SCORE.sub("", block.output)
    shown, scores = (list(map(float, _SCORE.findall(text))) for text in (block.output, printed))
    assert scores == pytest.approx(shown, abs=TOLERANCE)


def test_a_page_shows_an_output() -> None:
    for name in READMES:
        assert blocks_of(ROOT / name)[0].output, f"{name} begins with a call and its output"


def test_commands_that_are_not_run_stand_in_a_page() -> None:
    blocks = [block for page in PAGES for block in blocks_of(ROOT / page)]
    lines = {line for block in blocks for line in block.code.splitlines()}
    assert [command for command in NOT_RUN if command not in lines] == []


def test_both_languages_run_the_same_code() -> None:
    english, chinese = ([shape(block) for block in blocks_of(ROOT / name)] for name in READMES)
    assert english == chinese


@pytest.mark.parametrize("name", READMES)
def test_links_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert link.startswith("http") or (ROOT / link).exists(), link
