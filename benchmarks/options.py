"""The command-line options that several benchmarks of the model share."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.model import SIZES

CASES = ("short:50", "paragraph:10", "chunk:4", "long:1")


def common_parser(description: str | None, *, rounds: int = 3) -> argparse.ArgumentParser:
    """With the size of the model, the rounds, and where the results go."""
    found = argparse.ArgumentParser(description=description)
    found.add_argument("--size", choices=SIZES, default="0.6B")
    found.add_argument("--model", help="folder to keep the random model in, for the next run")
    found.add_argument("--rounds", type=int, default=rounds)
    found.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    return found


def cpu_parser(description: str | None, name: str) -> argparse.ArgumentParser:
    """Also with the cases, layers and threads of a run on a CPU; `name` is that of its report."""
    found = common_parser(description)
    found.add_argument("--cases", nargs="*", default=CASES, help="kind:candidates")
    found.add_argument("--layers", type=int, help="how many, if not as many as published")
    found.add_argument("--threads", type=int, default=2)
    found.add_argument("--name", default=name)
    return found
