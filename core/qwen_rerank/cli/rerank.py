"""`qwen-rerank rerank`: reorder the lines of a file."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any

from qwen_rerank import RerankResult, load
from qwen_rerank.cli.documents import read_documents
from qwen_rerank.cli.options import add_settings, given_settings
from qwen_rerank.cli.progress import document_bar
from qwen_rerank.printable import printable
from qwen_rerank.reranker import OnError
from qwen_rerank.rows import rows
from qwen_rerank.settings import AdapterSettings


class RerankCommandSettings(AdapterSettings):
    """The settings of the command: an outage is an error unless it is told otherwise."""

    on_error: OnError = "raise"
    """Fail when no scorer answers, or keep the `"original_order"`."""


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("rerank", help="reorder documents, one on each line")
    parser.add_argument("query", metavar="QUERY")
    parser.add_argument("file", metavar="FILE", nargs="?", help="text file [standard input]")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_settings(parser, RerankCommandSettings)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the documents best first; an outage is an error here, unless asked for."""
    settings = RerankCommandSettings(**given_settings(arguments, RerankCommandSettings))
    documents = read_documents(arguments.file)
    with document_bar(len(documents)):
        results = load(settings).rerank(
            arguments.query,
            documents,
            top_n=settings.top_n,
            score_threshold=settings.score_threshold,
        )
    _make_printable("utf-8" if arguments.json else None)
    show = _print_json if arguments.json else _print_table
    show(results, documents)


def _make_printable(encoding: str | None) -> None:
    """A terminal that lacks a character shows its number; JSON is UTF-8 wherever it goes."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")


def _print_json(results: Sequence[RerankResult], documents: Sequence[str]) -> None:
    print(printable(json.dumps(rows(results, documents), ensure_ascii=False, indent=2)))


def _print_table(results: Sequence[RerankResult], documents: Sequence[str]) -> None:
    reasons = {result.not_reranked or result.fallback for result in results}
    for reason in filter(None, reasons):
        print(f"warning: {printable(reason)}", file=sys.stderr)
    print("rank   score  index  document")
    for rank, result in enumerate(results, start=1):
        score = "     -" if result.score is None else f"{result.score:.4f}"
        print(f"{rank:>4}  {score}  {result.index:>5}  {printable(documents[result.index])}")
