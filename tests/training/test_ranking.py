"""The yardsticks: BM25, metrics, intervals, fusion."""

import numpy as np
import pytest

from training.bm25 import BM25, lexical_units
from training.evaluate import fuse
from training.metrics import hit, interval, ndcg


def test_bm25_prefers_rare_words_and_short_documents() -> None:
    texts = ["the cat sat", "the dog sat", "the the the", "the cat sat on a very long red mat"]
    index = BM25([lexical_units(t) for t in texts])
    order, scores = index.top([lexical_units("The cat")], 4)
    assert order[0].tolist()[:2] == [0, 3]
    assert (np.diff(scores[0]) <= 0).all()


def test_chinese_units_are_characters_and_pairs() -> None:
    assert lexical_units("北京a1") == ["北", "京", "北京", "a1"]


def test_ndcg_and_hit_of_a_known_order() -> None:
    assert ndcg([3, 1], {1: 1}) == pytest.approx(1 / np.log2(3))
    assert (hit([5, 6, 7, 1], {1: 1}), hit([5, 6, 1], {1: 1})) == (0.0, 1.0)


def test_interval_holds_the_mean() -> None:
    mean, low, high = interval(np.asarray([0.0, 1.0] * 50))
    assert low < mean == 0.5 < high


def test_fusion_follows_the_agreeing_scores() -> None:
    words = np.asarray([0.0, 3.0, 1.0, 2.0])
    assert fuse([1, 2, 3], words, {1: 5.0, 2: -1.0, 3: 0.0}) == [1, 3, 2]
