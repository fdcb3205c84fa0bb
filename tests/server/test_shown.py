"""A result, as the page shows and exports it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import pytest

from qwen_rerank.server.page.picture import COLOURS, FRAME, INK, draw, text_of
from qwen_rerank.server.page.shown import (
    ShownRanking,
)
from qwen_rerank.server.page.translations import Translator
from qwen_rerank.types import RerankResult
from tests.server.contrast import contrast


def outcome(documents: list[str]) -> ShownRanking:
    results = [RerankResult(i, 0.5) for i in reversed(range(len(documents)))]
    return ShownRanking("q", documents, results, 0.1)


def test_downloads() -> None:
    made = outcome(["=1+1", "二, 三"])
    rows = list(csv.reader(io.StringIO(made.as_csv().decode("utf-8-sig"))))
    assert rows[1:] == [["1", "1", "0.5", "1", "二, 三"], ["2", "0", "0.5", "-1", "'=1+1"]]
    whole = json.loads(made.as_json())
    assert [row["document"] for row in whole["reranked_documents"]] == ["二, 三", "=1+1"]


@pytest.mark.parametrize(
    "formula",
    [
        "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\xa0=1", "\u200b=1",
        "\ufeff=1", "\u3000=1", "\u202e=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff201", "\u22121",
    ],
)  # fmt: skip
def test_a_spreadsheet_runs_no_document(formula: str) -> None:
    made = outcome([formula, "a = b", "１+1", "", " - "])
    rows = list(csv.reader(io.StringIO(made.as_csv().decode("utf-8-sig"), newline="")))
    cells = {int(row[1]): row[-1] for row in rows[1:]}
    assert cells == {0: f"'{formula}", 1: "a = b", 2: "１+1", 3: "", 4: "' - "}


@pytest.mark.parametrize("count", [1, 2, 50])
def test_the_picture_stands_with_few_and_with_many(count: int) -> None:
    rows = outcome([f"text {number}" for number in range(count)]).rows()
    drawn = draw(rows, Translator("中文"), ("前", "后"), is_dark=True).to_dict()
    [ends] = drawn["datasets"].values() if "datasets" in drawn else [drawn["data"]["values"]]
    assert len(ends) == 2 * count
    assert 17 <= (drawn["height"] - FRAME) / count <= 34
    assert "</" not in json.dumps(drawn)
    assert text_of(rows, Translator("English")).count("→") == count + 1


@pytest.mark.parametrize(("is_dark", "background"), [(False, "#ffffff"), (True, "#171614")])
def test_the_picture_is_readable(is_dark: bool, background: str) -> None:
    numbers, texts = INK[is_dark]
    assert contrast(texts, background) >= 4.5
    for colour in COLOURS[is_dark]:
        assert contrast(colour, background) >= 3
        assert contrast(numbers, colour) >= 4.5


def test_drawing_imports_nothing_on_first_use() -> None:
    """Altair takes pandas from `sys.modules`, even if another thread is still importing it."""
    code = "import sys, qwen_rerank.server.page.picture; sys.exit('pandas' not in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
