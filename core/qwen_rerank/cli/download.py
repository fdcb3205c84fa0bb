"""`qwen-rerank download`: fetch a model ahead of its first use."""

from __future__ import annotations

import argparse
from typing import Any

from qwen_rerank.scorers.local.hub import HUBS, find_model
from qwen_rerank.scorers.local.model_folder import check_files, read_config


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("download", help="fetch a model from a hub")
    parser.add_argument("model", metavar="MODEL", help="such as Qwen/Qwen3-Reranker-0.6B")
    parser.add_argument("--hub", choices=sorted(HUBS), help="[the first that delivers]")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the folder in which the model lies now; raises if it can't be a reranker's."""
    folder = find_model(arguments.model, arguments.hub)
    read_config(folder)
    check_files(folder)
    print(folder)
