"""The order by the first stage and the reranker together."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from qwen_rerank.evaluation.fusion import fuse
from qwen_rerank.evaluation.journal import Reranked


def test_both_count_equally_in_units_of_their_deviation() -> None:
    before = [("a", 30.0), ("b", 20.0), ("c", 10.0)]
    odds = {"a": 0.0, "b": 3.0, "c": 0.0}
    ranking = [(one, 1 / (1 + math.exp(-value))) for one, value in odds.items()]
    ranking.sort(key=lambda one: -one[1])
    fused = fuse(before, Reranked(ranking, 0.0))
    first = math.sqrt(3 / 2)  # of 30, 20, 10
    second = 1 / math.sqrt(2)  # of 0, 3, 0
    assert [document for document, _ in fused] == ["b", "a", "c"]
    means = [second, (first - second) / 2, (-first - second) / 2]
    assert [score for _, score in fused] == pytest.approx(means)


def test_equal_scores_leave_the_other_order() -> None:
    before = [("a", 2.0), ("b", 1.0), ("c", 0.0)]
    same = [("a", 0.5), ("b", 0.5), ("c", 0.5)]
    assert [one for one, _ in fuse(before, Reranked(same, 0.0))] == ["a", "b", "c"]
    flat = [("a", 1.0), ("b", 1.0), ("c", 1.0)]
    certain = [("c", 1.0), ("b", 0.5), ("a", 0.0)]
    assert [one for one, _ in fuse(flat, Reranked(certain, 0.0))] == ["c", "b", "a"]
    assert [one for one, _ in fuse(flat, Reranked(same, 0.0))] == ["a", "b", "c"]


def test_documents_without_a_score_stay_below_in_their_order() -> None:
    before = [("a", 4.0), ("b", 3.0), ("c", 2.0), ("d", 1.0)]
    fused = fuse(before, Reranked([("d", 0.9), ("b", 0.1), ("a", -3.0), ("c", -4.0)], 0.0))
    assert [one for one, _ in fused][2:] == ["a", "c"]
    assert all(x > y for (_, x), (_, y) in pairwise(fused[1:]))


def test_a_query_that_was_not_reranked_keeps_its_order() -> None:
    before = [("a", 4.0), ("b", 3.0)]
    assert fuse(before, Reranked([("a", -1.0), ("b", -2.0)], 0.0, "down")) == before
    assert fuse([], Reranked([], 0.0)) == []
