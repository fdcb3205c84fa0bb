"""Measure a model folder on BEIR-style sets, beside BM25 and beside a dense first stage.

    python -m training.evaluate --data DATA [--model FOLDER] [--limit 500] [--out FILE]

Reorders the top 20 of both first stages, by the engine that users run, in fp32; figures are
nDCG@10 and hit@3 with 95 % bootstrap intervals over queries, and paired intervals of the
difference to the first stage.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from qwen_rerank import LocalScorer
from training.batching import Batcher
from training.beir import TestSet, load_set
from training.bm25 import lexical_units
from training.firststage import dense, lexical
from training.heldout import held_out_sets
from training.metrics import hit, interval, ndcg
from training.network import Reranker
from training.validation import score_groups

BUILTIN = Path(__file__).parents[1] / "core/qwen_rerank/builtin"
DEPTH = 20
MODEL_SHARE = 0.5  # of the fusion: equal weights, fixed beforehand and never tuned

Scores = Callable[[str, list[str]], np.ndarray]


def main() -> None:
    """Read the arguments, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with eval/<set>/corpus.jsonl ...")
    parser.add_argument(
        "--held-out", type=Path, help="examples.jsonl.gz: its held-out part instead"
    )
    parser.add_argument("--model", type=Path, default=BUILTIN)
    parser.add_argument("--sets", nargs="*")
    parser.add_argument("--limit", type=int, help="queries a set, evenly spread (default: all)")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    figures = {}
    for test in _sets(options):
        figures[test.name] = measure(test, shipped(options.model))
        print(table_row(test, figures[test.name]), flush=True)
        if options.out:
            options.out.write_text(json.dumps(figures, indent=1) + "\n")


def shipped(folder: Path) -> Scores:
    """The logits of one query's whole documents, by the engine that users run."""
    local = LocalScorer(str(folder), device="cpu", dtype="float32")

    def score(query: str, documents: list[str]) -> np.ndarray:
        yes = np.clip(local.score(query, documents), 1e-15, 1 - 1e-15)  # so that logits are numbers
        return np.asarray(np.log(yes) - np.log1p(-yes))

    return score


def scorer(network: Reranker, batcher: Batcher) -> Scores:
    """The same by the network that is trained."""

    def score(query: str, documents: list[str]) -> np.ndarray:
        table = score_groups(network, batcher, [batcher.group(query, documents)], bf16=False)
        return np.asarray(table[0])

    return score


def measure(test: TestSet, score: Scores) -> dict[str, dict[str, list[float]]]:
    """{ordering: {metric: [mean, low, high]}}; "... gain" is the paired difference."""
    by_dense = dense(test.documents, test.queries, DEPTH)
    by_words, index = lexical(test.documents, test.queries, DEPTH)
    orders: dict[str, list[Sequence[int]]] = {
        name: [] for name in ("dense", "dense+model", "bm25", "bm25+model", "fusion")
    }
    for place, query in enumerate(test.queries):
        union = sorted({*by_dense[place].tolist(), *by_words[place].tolist()})
        logits = dict(zip(union, score(query, [test.documents[i] for i in union]), strict=True))
        words = index.scores([lexical_units(query)])[0]
        one, two = by_dense[place].tolist(), by_words[place].tolist()
        orders["dense"].append(one)
        orders["dense+model"].append(sorted(one, key=lambda i: -logits[i]))
        orders["bm25"].append(two)
        orders["bm25+model"].append(sorted(two, key=lambda i: -logits[i]))
        orders["fusion"].append(fuse(two, words, logits))
    return _figures(test, orders)


def fuse(places: list[int], words: np.ndarray, logits: dict[int, float]) -> list[int]:
    """Order by the weighted sum of both scores, each standardised within the list."""
    lexical_part = _standard(words[places])
    model_part = _standard(np.asarray([logits[i] for i in places]))
    both = (1 - MODEL_SHARE) * lexical_part + MODEL_SHARE * model_part
    return [places[i] for i in np.argsort(-both, kind="stable")]


def table_row(test: TestSet, figures: dict[str, dict[str, list[float]]]) -> str:
    """One line of Markdown: the set, then nDCG@10 / hit@3 of every ordering."""
    cells = [f"{v['ndcg@10'][0]:.3f} / {v['hit@3'][0]:.3f}" for k, v in figures.items()]
    return f"| {test.name} ({len(test.queries)}) | " + " | ".join(cells) + " |"


def _figures(
    test: TestSet, orders: dict[str, list[Sequence[int]]]
) -> dict[str, dict[str, list[float]]]:
    bases = {"dense+model": "dense", "bm25+model": "bm25", "fusion": "bm25"}
    values = {
        name: {
            "ndcg@10": _each(ndcg, lists, test),
            "hit@3": _each(hit, lists, test),
        }
        for name, lists in orders.items()
    }
    figures: dict[str, dict[str, list[float]]] = {}
    for name, metrics in values.items():
        figures[name] = {metric: list(interval(row)) for metric, row in metrics.items()}
        for metric, row in metrics.items() if name in bases else ():
            figures[name][f"{metric} gain"] = list(interval(row - values[bases[name]][metric]))
    return figures


def _each(metric: Callable[..., float], lists: list[Sequence[int]], test: TestSet) -> np.ndarray:
    return np.asarray([metric(o, g) for o, g in zip(lists, test.grades, strict=True)])


def _standard(values: np.ndarray) -> np.ndarray:
    return np.asarray((values - values.mean()) / (values.std() + 1e-6))


def _sets(options: argparse.Namespace) -> list[TestSet]:
    if options.held_out:
        return held_out_sets(options.held_out, options.limit)
    folders = sorted(p for p in (options.data / "eval").iterdir() if p.is_dir())
    return [load_set(p, options.limit) for p in folders if p.name in (options.sets or [p.name])]


if __name__ == "__main__":
    main()
