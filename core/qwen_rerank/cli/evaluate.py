"""`qwen-rerank eval`: what reranking does to a pipeline, before and after."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from qwen_rerank import load
from qwen_rerank.cli.evaluation_view import EvaluationView
from qwen_rerank.cli.options import add_settings, given_settings
from qwen_rerank.evaluation import compare, read_dataset
from qwen_rerank.evaluation.plot import plot
from qwen_rerank.evaluation.retrievers import LSA, STAGES, retrieve
from qwen_rerank.evaluation.run import write_run
from qwen_rerank.reranker import OnError
from qwen_rerank.settings import RerankerSettings

JOURNAL = "journal.jsonl"


class EvaluationSettings(RerankerSettings):
    """A reranker that is measured: its defaults hide no outage and repeat no score."""

    on_error: OnError = "raise"
    """Stop when no scorer answers; go on later with --output. Or `"original_order"`."""
    cache_ttl: float | None = None
    """Seconds that scores are remembered; a remembered score would have no latency."""


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("eval", help="measure search before and after reranking")
    parser.add_argument(
        "dataset",
        metavar="DATASET",
        help="a folder with corpus.jsonl, queries.jsonl, qrels.tsv, or a JSONL file of "
        "{query, documents, relevant}",
    )
    add = parser.add_argument
    stages = ", ".join(STAGES)
    add("--first-stage", default="faiss", help=f"{stages}, or a TREC run file [faiss]")
    add("--embedding", default=LSA, help="lsa, or a sentence-transformers model [lsa]")
    add("--candidates", type=_count, default=50, help="documents to rerank for a query [50]")
    add("--top", type=_count, default=3, help="the k of hit@k and hits@k [3]")
    add("--limit", type=_count, help="a fixed sample of so many queries [all]")
    add("--output", type=Path, metavar="FOLDER", help="runs, report; resumes if interrupted")
    add("--plot", type=Path, metavar="FILE.png", help="draw the figures")
    add("--per-query", action="store_true", help="show each query, too")
    add("--json", action="store_true", help="print JSON instead of tables")
    add_settings(parser, EvaluationSettings)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Measure, write what was asked for, print."""
    settings = EvaluationSettings(**given_settings(arguments, EvaluationSettings))
    dataset = read_dataset(arguments.dataset).sample(arguments.limit)
    if dataset.left_out:
        print(
            f"left out for want of relevant documents: {dataset.left_out} queries", file=sys.stderr
        )
    stage, depth = arguments.first_stage, arguments.candidates
    before = retrieve(dataset, stage, depth, arguments.embedding)
    journal = arguments.output / JOURNAL if arguments.output else None
    reranker = load(settings)
    report = compare(dataset, before, reranker, top=arguments.top, journal=journal, progress=True)
    shown = EvaluationView(report, _facts(arguments, settings), arguments.per_query)
    if arguments.output:
        _save(shown, arguments.output)
    if arguments.plot:
        plot(report, arguments.plot)
    print(shown.json() if arguments.json else shown.table())


def _facts(arguments: argparse.Namespace, settings: RerankerSettings) -> dict[str, str]:
    """What was measured, in words."""
    stage = arguments.first_stage
    return {
        "first_stage": f"faiss ({arguments.embedding})" if stage == "faiss" else stage,
        "candidates": str(arguments.candidates),
        "reranker": str(settings.base_url or settings.model),
    }


def _save(shown: EvaluationView, folder: Path) -> None:
    """Write the runs and the report; nothing is left to resume after that."""
    write_run(shown.report.before, folder / "before.trec")
    write_run(shown.report.after, folder / "after.trec")
    everything = replace(shown, per_query=True).json()
    (folder / "report.json").write_text(everything + "\n", encoding="utf-8")
    (folder / JOURNAL).unlink()


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"wanted a whole number from 1, got {text!r}")
    return int(text)
