"""Measure a model folder on BEIR-style sets, beside BM25 and beside a dense first stage.

    python -m training.evaluate --data DATA [--model FOLDER] [--limit 500] [--out FILE]

Reorders the top 20 of both first stages, by the engine that users run, in fp32; figures are
nDCG@10 and hit@3 with 95 % bootstrap intervals over queries, and paired intervals of the
difference to the first stage.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from qwen_rerank import LocalScorer
from qwen_rerank.evaluation.bootstrap import estimates
from qwen_rerank.evaluation.dataset import Dataset
from qwen_rerank.evaluation.fusion import fuse
from qwen_rerank.evaluation.journal import Reranked
from qwen_rerank.evaluation.metrics import measure as figures_by_query
from qwen_rerank.evaluation.reader import read_dataset
from qwen_rerank.evaluation.run import Ranking
from qwen_rerank.log_odds import log_odds
from training.batching import Batcher
from training.firststage import dense, lexical
from training.heldout import held_out_sets
from training.network import Reranker
from training.validation import score_groups

BUILTIN = Path(__file__).parents[1] / "core/qwen_rerank/builtin"
DEPTH = 20
TOP = 3  # of hit@3
FIRST_STAGE = {"dense": "dense", "dense+model": "dense"} | dict.fromkeys(
    ("bm25", "bm25+model", "fusion"), "bm25"
)
"""What is measured, and which first stage found the documents."""

Scores = Callable[[str, list[str]], np.ndarray]
Figures = dict[str, dict[str, list[float]]]


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
        return np.asarray([log_odds(one) for one in local.score(query, documents)])

    return score


def scorer(network: Reranker, batcher: Batcher) -> Scores:
    """The same by the network that is trained."""

    def score(query: str, documents: list[str]) -> np.ndarray:
        table = score_groups(network, batcher, [batcher.group(query, documents)], bf16=False)
        return np.asarray(table[0])

    return score


def measure(test: Dataset, score: Scores) -> Figures:
    """{ordering: {metric: [mean, low, high]}}; "... gain" is the paired difference."""
    ids, texts = list(test.documents), list(test.documents.values())
    queries = list(test.queries.values())
    by_dense = dense(texts, queries, DEPTH)
    by_words, word_scores = lexical(texts, queries, DEPTH)
    runs: dict[str, dict[str, Ranking]] = {name: {} for name in FIRST_STAGE}
    for place, query in enumerate(test.queries):
        one = [(ids[i], 0.0) for i in by_dense[place]]
        two = [(ids[i], float(s)) for i, s in zip(by_words[place], word_scores[place], strict=True)]
        union = sorted({document for document, _ in one + two})
        logits = score(queries[place], [test.documents[document] for document in union])
        model = dict(zip(union, (1 / (1 + np.exp(-logits.astype(float)))).tolist(), strict=True))
        for name, ranking in _orderings(one, two, model).items():
            runs[name][query] = ranking
    return _figures(test, runs)


def table_row(test: Dataset, figures: Figures) -> str:
    """One line of Markdown: the set, then nDCG@10 / hit@3 of every ordering."""
    cells = [f"{v['nDCG@10'][0]:.3f} / {v['hit@3'][0]:.3f}" for v in figures.values()]
    return f"| {test.name} ({len(test.queries)}) | " + " | ".join(cells) + " |"


def _orderings(
    by_dense: Ranking, by_words: Ranking, model: Mapping[str, float]
) -> dict[str, Ranking]:
    return {
        "dense": by_dense,
        "dense+model": _reordered(by_dense, model),
        "bm25": by_words,
        "bm25+model": _reordered(by_words, model),
        "fusion": fuse(by_words, Reranked(_reordered(by_words, model), seconds=0.0)),
    }


def _reordered(ranking: Ranking, model: Mapping[str, float]) -> Ranking:
    return sorted(((one, model[one]) for one, _ in ranking), key=lambda x: -x[1])


def _figures(test: Dataset, runs: Mapping[str, Mapping[str, Ranking]]) -> Figures:
    columns: dict[tuple[str, str], Sequence[float]] = {}
    for name, run in runs.items():
        by_query = figures_by_query(run, test.qrels, TOP)
        for metric in ("nDCG@10", f"hit@{TOP}"):
            values = [by_query[query][metric] for query in test.queries]
            columns[name, metric] = values
            if name != FIRST_STAGE[name]:
                gain = np.subtract(values, columns[FIRST_STAGE[name], metric]).tolist()
                columns[name, f"{metric} gain"] = gain
    figures: Figures = defaultdict(dict)
    for (name, metric), one in zip(columns, estimates(list(columns.values())), strict=True):
        figures[name][metric] = [one.mean, one.low, one.high]
    return dict(figures)


def _sets(options: argparse.Namespace) -> list[Dataset]:
    if options.held_out:
        return held_out_sets(options.held_out, options.limit)
    folders = sorted(p for p in (options.data / "eval").iterdir() if p.is_dir())
    chosen = [p for p in folders if p.name in (options.sets or [p.name])]
    return [read_dataset(folder, titles=False).sample(options.limit) for folder in chosen]


if __name__ == "__main__":
    main()
