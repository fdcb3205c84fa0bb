"""Small purpose-built probes of what the model can and cannot do.

    python -m training.probe [--model FOLDER]

Hand-written triples (query, right, wrong) for clear matches, negation and paraphrase without shared
words; and an answer hidden in ever longer documents. Every figure is the share of cases in which
the right text scores higher; for clear matches also how often the scores fall right of 0.5.
"""

import argparse
import json
import math
from pathlib import Path

import torch

from training.batching import Batcher
from training.checkpoint import load_reranker
from training.evaluate import BUILTIN, Scores, scorer

FOLDER = Path(__file__).parent / "probes"
FILLERS = {
    "en": "The committee met again in the old hall and spoke about the budget of the next year. ",
    "zh": "委员会再次在旧礼堂开会，讨论了下一年度的预算。",
}


def main() -> None:
    """Read the arguments, print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=BUILTIN)
    options = parser.parse_args()
    network, tokenizer = load_reranker(options.model)
    score = scorer(network.eval(), Batcher(tokenizer, limit=8000))
    print(json.dumps({**triples(score), **long_documents(score)}, indent=1))


def triples(score: Scores) -> dict[str, float]:
    """Accuracy by probe file, and the scores' sides of 0.5 for clear cases."""
    figures = {}
    for path in sorted(FOLDER.glob("*.jsonl")):
        logits = [score(c["query"], [c["right"], c["wrong"]]) for c in _cases(path)]
        figures[path.stem] = _mean([right > wrong for right, wrong in logits])
        if path.stem == "match":
            figures["match: right above 0.5"] = _mean([right > 0 for right, _ in logits])
            figures["match: wrong below 0.5"] = _mean([wrong < 0 for _, wrong in logits])
            figures["match: mean score of right"] = _mean([_sigmoid(r) for r, _ in logits])
            figures["match: mean score of wrong"] = _mean([_sigmoid(w) for _, w in logits])
    return figures


def long_documents(score: Scores) -> dict[str, float]:
    """The answer at the start, middle or end of filler, against filler of the same length."""
    figures = {}
    for repeats in (4, 16, 64):
        for name, share in (("start", 0.0), ("middle", 0.5), ("end", 1.0)):
            wins = [_found(score, case, repeats, share) for case in _cases(FOLDER / "match.jsonl")]
            figures[f"answer at {name} of {repeats + 1} sentences"] = _mean(wins)
    return figures


def _found(score: Scores, case: dict[str, str], repeats: int, share: float) -> bool:
    filler = FILLERS["zh" if case["query"][-2] > "\u3000" else "en"]
    before = round(repeats * share)
    right, wrong = (
        filler * before + text + " " + filler * (repeats - before)
        for text in (case["right"], case["wrong"])
    )
    logits = score(case["query"], [right, wrong])
    return bool(logits[0] > logits[1])


def _cases(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _mean(values: list[bool] | list[float]) -> float:
    return round(sum(values) / len(values), 3)


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


if __name__ == "__main__":
    with torch.inference_mode():
        main()
