"""`qwen-rerank eval`: measures a retrieval pipeline before and after reranking."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from qwen_rerank import load
from qwen_rerank.cli.evaluation_view import EvaluationView
from qwen_rerank.cli.options import add_settings, count, given_settings
from qwen_rerank.errors import ConfigError, ScorerError
from qwen_rerank.evaluation import Dataset, Report, compare, read_dataset
from qwen_rerank.evaluation.plot import check_plot, plot
from qwen_rerank.evaluation.progress import show_stage
from qwen_rerank.evaluation.retrievers import LSA, STAGES, retrieve
from qwen_rerank.evaluation.run import Run, write_run
from qwen_rerank.evaluation.saved_run import saved_run
from qwen_rerank.extras import require_extras
from qwen_rerank.reranker import OnError
from qwen_rerank.settings import RerankerSettings

JOURNAL = "journal.jsonl"
FIRST_STAGE = "first_stage.json"


class EvaluationSettings(RerankerSettings):
    """The settings of a reranker that is measured: an outage stops it, scores are not cached."""

    on_error: OnError = "raise"
    """Stop when there are no scores (with --output, to be continued), or `"original_order"`."""
    cache_ttl: float | None = None
    """Seconds that scores stay cached; a cached score has no latency to measure."""


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("eval", help="measure retrieval before and after reranking")
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
    add("--candidates", type=count, default=50, help="documents to rerank for a query [50]")
    add("--top", type=count, default=3, help="the k of hit@k and hits@k [3]")
    add("--limit", type=count, help="a fixed sample of so many queries [all]")
    add(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="write runs and report; continue from there when called again",
    )
    add("--plot", type=Path, metavar="FILE.png", help="draw the figures")
    add("--fusion", action="store_true", help="measure the order by both scores as well")
    add("--per-query", action="store_true", help="show each query, too")
    add("--json", action="store_true", help="print JSON instead of tables")
    add_settings(parser, EvaluationSettings)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Check, measure, print, then write what was wanted."""
    settings = EvaluationSettings(**given_settings(arguments, EvaluationSettings))
    require_extras(*([] if settings.base_url else ["local"]), "eval")
    _check_outputs(arguments)
    with _continuable(arguments.output):
        report = _measure(arguments, settings)
    view = EvaluationView(report, _facts(arguments, settings), arguments.per_query)
    print(view.json() if arguments.json else view.table(), flush=True)
    if arguments.output:
        _save(view, arguments.output)
    if arguments.plot:
        plot(report, arguments.plot)


def _check_outputs(arguments: argparse.Namespace) -> None:
    """Raise before any work if the results could not be measured or written."""
    if arguments.plot:
        check_plot(arguments.plot)
    if arguments.output and arguments.output.is_file():
        raise ConfigError(f"output: wanted a folder, got the file {arguments.output}")


@contextmanager
def _continuable(output: Path | None) -> Iterator[None]:
    """After Ctrl-C or an error of the scorer, say whether the work so far is kept."""
    try:
        yield
    except (KeyboardInterrupt, ScorerError):
        kept = "run the same command again to continue"
        lost = "nothing was kept: with --output FOLDER the next run can be continued"
        print(f"\nstopped; {kept if output else lost}", file=sys.stderr)
        raise


def _measure(arguments: argparse.Namespace, settings: EvaluationSettings) -> Report:
    show_stage(f"reading {arguments.dataset}")
    dataset = read_dataset(arguments.dataset).sample(arguments.limit)
    if dataset.left_out:
        left_out = "queries left out, as no document is relevant to them"
        print(f"{left_out}: {dataset.left_out}", file=sys.stderr)
    return compare(
        dataset,
        _first_stage(arguments, dataset),
        load(settings),
        top=arguments.top,
        journal=arguments.output / JOURNAL if arguments.output else None,
        fusion=arguments.fusion,
        progress=True,
    )


def _first_stage(arguments: argparse.Namespace, dataset: Dataset) -> Run:
    """The first stage's run, from an earlier call with the same output folder if there is one."""
    stage, depth, embedding = arguments.first_stage, arguments.candidates, arguments.embedding

    def search() -> Run:
        show_stage(f"searching {len(dataset.documents)} documents with {_stage_name(arguments)}")
        return retrieve(dataset, stage, depth, embedding)

    if arguments.output is None or Path(stage).is_file():  # reading a run file is quick
        return search()
    subject = f"{dataset.fingerprint} {stage} {depth} {embedding}"
    return saved_run(arguments.output / FIRST_STAGE, subject, search)


def _stage_name(arguments: argparse.Namespace) -> str:
    stage = str(arguments.first_stage)
    return f"faiss ({arguments.embedding})" if stage == "faiss" else stage


def _facts(arguments: argparse.Namespace, settings: RerankerSettings) -> dict[str, str]:
    """The conditions of the measurement, for the head of the table."""
    return {
        "first_stage": _stage_name(arguments),
        "candidates": str(arguments.candidates),
        "reranker": str(settings.base_url or settings.model),
    }


def _save(view: EvaluationView, folder: Path) -> None:
    """Write the runs and the report beside the journal."""
    report = view.report
    runs = {"before": report.before, "after": report.after, "fusion": report.fusion}
    for name, run in runs.items():
        if run is not None:
            write_run(run, folder / f"{name}.trec")
    everything = replace(view, per_query=True).json()
    (folder / "report.json").write_text(everything + "\n", encoding="utf-8")
