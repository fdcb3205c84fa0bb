"""The drawing: whole ranks, proportions and counts on axes of their own, a legend of sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qwen_rerank import Reranker
from qwen_rerank.evaluation import compare, read_dataset
from qwen_rerank.evaluation.plot import draw
from qwen_rerank.evaluation.retrievers import retrieve
from tests.evaluation.data import OverlapScorer, write_folder


@pytest.fixture(params=[1, 12])
def axes(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    dataset = read_dataset(write_folder(tmp_path / "set", queries=request.param))
    before = retrieve(dataset, "bm25", 20)
    figure = draw(compare(dataset, before, Reranker(OverlapScorer()), fusion=True))
    figure.canvas.draw()
    return figure.axes


def labels(axis: Any) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def test_ranks_are_whole_numbers(axes: Any) -> None:
    for axis in (axes[2].xaxis, axes[2].yaxis):
        assert all(label.lstrip("−").isdecimal() for label in labels(axis))


def test_counts_of_documents_are_not_on_the_axis_of_proportions(axes: Any) -> None:
    assert labels(axes[0].xaxis) == ["hit@3", "MRR@10", "nDCG@10", "recall@10"]
    assert labels(axes[1].xaxis) == ["hits@3"]
    assert 1 <= axes[0].get_ylim()[1] < 1.2


def test_a_legend_explains_the_sizes(axes: Any) -> None:
    texts = [text.get_text() for text in axes[2].get_legend().get_texts()]
    assert texts[0] == "1 query"
    assert all(text.endswith(" queries") for text in texts[1:])
    orders = [text.get_text() for text in axes[0].get_legend().get_texts()]
    assert orders == ["before", "after", "fusion"]
