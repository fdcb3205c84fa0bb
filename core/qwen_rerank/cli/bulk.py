"""`qwen-rerank bulk`: score files of any size with Ray, on this machine or on a cluster."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from qwen_rerank.cli.options import add_settings, count, given_settings
from qwen_rerank.ray.actors import Actors
from qwen_rerank.ray.columns import Columns
from qwen_rerank.ray.job import BulkJob
from qwen_rerank.ray.report import BulkReport
from qwen_rerank.ray.settings import BulkSettings


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("bulk", help="score the rows of JSONL or Parquet files, with Ray")
    parser.add_argument("source", metavar="IN", help="a file or folder; a path or a cloud URL")
    parser.add_argument("target", metavar="OUT", help="a folder; run again to continue a job")
    add = parser.add_argument
    add("--query", default="query", metavar="COLUMN", help="the query [query]")
    add("--documents", default="documents", metavar="COLUMN",
        help="a list of texts, or one text [documents]")  # fmt: skip
    add("--output", choices=("scores", "ranking"), default="scores", help="[scores]")
    add("--top-n", type=count, help="the most documents in a ranking [all]")
    add("--rows-per-file", type=count, default=BulkJob.rows_per_file, metavar="ROWS",
        help="of the output; an interruption costs unfinished files [%(default)s]")  # fmt: skip
    add("--actors", type=count, help="processes with a model [one for each GPU or machine]")
    add("--num-cpus", type=float, help="cores of each [all of its machine]")
    add("--num-gpus", type=float, help="GPUs of each [1, where there are GPUs]")
    add_settings(parser, BulkSettings)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Do the job, or what is left of it, and say what has no score."""
    job = BulkJob(
        arguments.source,
        arguments.target,
        BulkSettings(**given_settings(arguments, BulkSettings)),
        Columns(arguments.query, arguments.documents, arguments.output, arguments.top_n),
        Actors(arguments.actors, arguments.num_cpus, arguments.num_gpus),
        arguments.rows_per_file,
    )
    try:
        _show(job.run())
    except KeyboardInterrupt:
        print("\nstopped; run the same command again to continue", file=sys.stderr)
        raise


def _show(report: BulkReport) -> None:
    print(f"{report.rows} rows are in the output")
    if report.unscored:
        print(f"{report.unscored} of them lack a score, such as:", file=sys.stderr)
        for reason in report.reasons:
            print(f"  {reason}", file=sys.stderr)
