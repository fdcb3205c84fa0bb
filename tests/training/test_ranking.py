"""The yardstick: one query's documents in the order of both first stages, the model and both."""

import numpy as np

from qwen_rerank.evaluation.dataset import Dataset
from training.evaluate import measure, table_row

DOCUMENTS = {
    "ants": "Ants are insects with six legs.",
    "moon": "The moon needs twenty-seven days to go round the earth.",
    "copy": "Copy the file to a new place.",
    "file": "A file has a name, a size, and a place in the file tree.",
}
TEST = Dataset("four", DOCUMENTS, {"q": "file place"}, {"q": {"copy": 1}})


def prefers(words: str) -> list[float]:
    """The nDCG@10 of the orderings by the model that likes texts with ``words``."""
    figures = measure(TEST, lambda _, texts: np.asarray([3.0 * (words in text) for text in texts]))
    assert table_row(TEST, figures).startswith("| four (1) | ")
    return [round(figures[name]["nDCG@10"][0], 2) for name in ("bm25", "bm25+model", "fusion")]


def test_the_model_orders_what_bm25_found() -> None:
    assert prefers("Copy")[1] == 1.0
    assert prefers("Ants")[1] < 1.0


def test_gains_are_differences_to_the_first_stage() -> None:
    figures = measure(TEST, lambda _, texts: np.asarray([float("Ants" in t) for t in texts]))
    for metric in ("nDCG@10", "hit@3"):
        gain = figures["bm25+model"][metric][0] - figures["bm25"][metric][0]
        assert figures["bm25+model"][f"{metric} gain"][0] == gain
