"""The command `qwen-rerank`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from qwen_rerank import QwenRerankError, __version__
from qwen_rerank.cli import bulk, doctor, download, evaluate, feedback, rerank, serve
from qwen_rerank.printable import printable

COMMANDS = (rerank, serve, bulk, evaluate, feedback, download, doctor)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Returns:
        0 when it worked, 1 after an error of ours (one line on stderr); argparse itself
        exits with 2 on wrong usage.
    """
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except (QwenRerankError, OSError) as error:
        print(f"qwen-rerank: {printable(' '.join(str(error).split()))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="qwen-rerank", description="Qwen3-Reranker for RAG pipelines."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.register(commands)
    return parser
