"""`qwen-rerank feedback`: what users said of the rankings."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from qwen_rerank.errors import InvalidInputError
from qwen_rerank.feedback import FeedbackStore
from qwen_rerank.feedback.export import export


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("feedback", help="turn feedback into an evaluation dataset")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    action = actions.add_parser("export", help="write a JSONL file that `eval` reads")
    action.add_argument("file", metavar="FILE", help="what serve was given with --feedback")
    action.add_argument("--output", type=Path, metavar="FILE.jsonl", help="[standard output]")
    action.set_defaults(run=run_export)


def run_export(arguments: argparse.Namespace) -> None:
    """Write the dataset; say on stderr what it lacks."""
    if not Path(arguments.file).is_file():
        raise InvalidInputError(f"{arguments.file}: no such file")
    found = export(FeedbackStore(arguments.file, read_only=True))
    text = "".join(f"{line}\n" for line in found.lines)
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8", newline="\n")
    else:
        sys.stdout.write(text)
    if found.without_texts:
        print(f"left out for want of texts: {found.without_texts} rankings", file=sys.stderr)
