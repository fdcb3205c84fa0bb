"""The true Qwen3-Reranker-0.6B gives its published scores.

`QWEN_RERANK_TEST_MODEL` names the folder of the weights: `pytest -m weights`.
"""

from __future__ import annotations

import json
import math
import os

import pytest

from examples.support.cases import CHINESE
from qwen_rerank import LocalScorer
from qwen_rerank.cli.main import main

FOLDER = os.environ.get("QWEN_RERANK_TEST_MODEL", "")

pytestmark = [
    pytest.mark.weights,
    pytest.mark.skipif(
        not FOLDER, reason="QWEN_RERANK_TEST_MODEL names no folder with Qwen3-Reranker-0.6B"
    ),
]

PLANETS = [
    "Venus is often called Earth's twin because of its similar size and proximity.",
    "Mars, known for its reddish appearance, is often referred to as the Red Planet.",
    "Jupiter, the largest planet in our solar system, has a prominent red spot.",
    "Saturn, famous for its rings, is sometimes mistaken for the Red Planet.",
]
LOGITS = [-3.109297752380371, 7.120389938354492, -0.3787546157836914, 3.541637420654297]
"""From sentence-transformers' own tests, fp32."""


def test_the_published_logits() -> None:
    scorer = LocalScorer(FOLDER, dtype="float32")
    scores = scorer.score("Which planet is known as the Red Planet?", PLANETS)
    assert [math.log(p / (1 - p)) for p in scores] == pytest.approx(LOGITS, abs=5e-4)


@pytest.mark.parametrize("dtype", ["int8", "bfloat16"])
def test_low_precision_keeps_the_ranking(dtype: str) -> None:
    scorer = LocalScorer(FOLDER, device="cpu", dtype=dtype)
    scores = scorer.score("Which planet is known as the Red Planet?", PLANETS)
    odds = [math.log(p / (1 - p)) for p in scores]
    assert sorted(range(4), key=odds.__getitem__) == sorted(range(4), key=LOGITS.__getitem__)
    assert odds == pytest.approx(LOGITS, abs=0.5)


def test_the_published_probabilities() -> None:
    gravity = (
        "Gravity is a force that attracts two bodies towards each other. It gives weight to "
        "physical objects and is responsible for the movement of planets around the sun."
    )
    scorer = LocalScorer(FOLDER, dtype="float32")
    beijing, other = scorer.score(
        "What is the capital of China?", ["The capital of China is Beijing.", gravity]
    )
    assert beijing == pytest.approx(0.9994981288909912, abs=1e-5)
    assert other < 1e-4
    [explained] = scorer.score("Explain gravity", [gravity])
    assert explained > 0.99


def test_the_five_cases(capsys: pytest.CaptureFixture[str]) -> None:
    """Prints for the true weights what the README says of the built-in model."""
    command = ["eval", str(CHINESE), "--model", FOLDER, "--candidates", "10", "--json"]
    assert main(command) == 0
    hits = json.loads(capsys.readouterr().out)["measures"]["hits@3"]
    with capsys.disabled():
        print(f"\nhits@3: {hits['before']} -> {hits['after']}")  # noqa: T201 - asked for
    assert hits["after"]["mean"] > hits["before"]["mean"]
