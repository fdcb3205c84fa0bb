"""Ours, in the environment that the benchmark itself runs in."""

from __future__ import annotations

import sys

from benchmarks.engines.worker import Score, work

NAME = "ours"
SETTINGS = ("float32", "bfloat16", "int8")


def load() -> tuple[str, Score]:
    """`LocalScorer` without anything around it."""
    import torch

    from qwen_rerank import LocalScorer, __version__

    folder, dtype, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    return __version__, LocalScorer(folder, device="cpu", dtype=dtype).score


if __name__ == "__main__":
    work(load)
