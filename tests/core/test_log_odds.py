"""Scores become log-odds, also where a server rounds them to 0 or 1."""

from __future__ import annotations

import math

import pytest

from qwen_rerank.log_odds import log_odds


@pytest.mark.parametrize("odds", [-30.0, -3.0, 0.0, 3.0, 30.0])
def test_the_sigmoid_is_undone(odds: float) -> None:
    assert log_odds(1 / (1 + math.exp(-odds))) == pytest.approx(odds, abs=0.02)


def test_rounded_scores_say_no_more_than_a_double_can() -> None:
    assert log_odds(1.0) == -log_odds(0.0) == pytest.approx(53 * math.log(2))
    assert log_odds(1 - 2**-53) == log_odds(1.0)
    assert log_odds(1e-300) == log_odds(0.0)
