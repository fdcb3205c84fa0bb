"""Measures the local engine in every number format of a CPU: `python -m benchmarks.precision`.

Each format has a process of its own. They take turns, so that a busy machine is unfair to nobody.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch

from benchmarks import texts
from benchmarks.memory import resident_megabytes
from benchmarks.model import SIZES, build
from benchmarks.options import cpu_parser
from benchmarks.report import line, machine
from qwen_rerank import LocalScorer
from qwen_rerank.evaluation.agreement import agreement

FORMATS = ("float32", "bfloat16", "int8")
INSTRUCTIONS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
ANY = ("a", ["b", "c d"])


class Call(NamedTuple):
    """One call of a scorer."""

    seconds: float
    processor_seconds: float
    scores: list[float]


def main() -> None:
    """Build the model, measure, write the report."""
    options = _options()
    with tempfile.TemporaryDirectory() as scratch:
        folder = build(options.size, Path(options.model or scratch), torch.bfloat16, options.layers)
        workers = {name: _start(folder, name, options.threads) for name in options.formats}
        memory = {name: worker.recv() for name, worker in workers.items()}
        lines = [line(_titles(options.formats)), line(["---"] * len(_titles(options.formats)))]
        for case in options.cases:
            lines.append(line(_cells(case, _in_turns(workers, case, options.rounds))))
            print(lines[-1], flush=True)
        for name, worker in workers.items():
            worker.send(None)
            memory[name] += worker.recv()
    about = {"command": f"python -m benchmarks.precision {shlex.join(sys.argv[1:])}"}
    about |= {
        "size": options.size,
        "layers": f"{options.layers or 'all'} of {SIZES[options.size][2]}",
    }
    about |= {"rounds": str(options.rounds)} | machine()
    about["threads"] = str(options.threads)
    about["instructions"] = ", ".join(filter(_has, INSTRUCTIONS))
    text = _report(about, lines, memory)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{options.name}.md").write_text(text)
    print(text)


def _options() -> argparse.Namespace:
    parser = cpu_parser(__doc__, "precision")
    parser.add_argument("--formats", nargs="*", default=FORMATS)
    return parser.parse_args()


def _start(folder: Path, dtype: str, threads: int) -> Connection:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    work = context.Process(target=_work, args=(theirs, folder, dtype, threads), daemon=True)
    work.start()
    return ours


def _work(pipe: Connection, folder: Path, dtype: str, threads: int) -> None:
    """Load, say how much memory that took, then score whatever comes; `None` ends it."""
    torch.set_num_threads(threads)
    before = resident_megabytes()
    scorer = LocalScorer(str(folder), device="cpu", dtype=dtype)
    scorer.load()
    if hasattr(os, "sched_setaffinity"):
        _pin(threads)
    scorer.score(*ANY)
    loaded = resident_megabytes()
    pipe.send([now - then for now, then in zip(loaded, before, strict=True)])
    while (given := pipe.recv()) is not None:
        start, started = time.perf_counter(), time.process_time()
        scores = scorer.score(*given)
        pipe.send(Call(time.perf_counter() - start, time.process_time() - started, scores))
    pipe.send([resident_megabytes()[1] - before[0]])


def _pin(threads: int) -> None:
    """All formats on the same processors, in turns."""
    some = sorted(os.sched_getaffinity(0))[:threads]
    for task in os.listdir("/proc/self/task"):  # noqa: PTH208 - names are all that is wanted
        os.sched_setaffinity(int(task), some)


def _in_turns(workers: dict[str, Connection], case: str, rounds: int) -> dict[str, list[Call]]:
    kind, count = case.split(":")
    documents = texts.documents(kind, int(count))
    calls: dict[str, list[Call]] = {name: [] for name in workers}
    for number in range(rounds + 1):  # the first one warms up
        for name, worker in workers.items():
            worker.send((texts.query(number), documents))
            calls[name].append(worker.recv())
    return {name: made[1:] for name, made in calls.items()}


def _titles(formats: Sequence[str]) -> list[str]:
    exact, *low = formats
    return ["documents", f"{exact}, s", "processor s"] + [
        f"{name}{what}"
        for name in low
        for what in (
            ", s",
            ", processor s",
            " x",
            " x, processor",
            ": log-odds, mean, largest",
            ": tau",
        )
    ]


def _cells(case: str, calls: dict[str, list[Call]]) -> list[str]:
    (_, exact), *low = calls.items()
    kind, count = case.split(":")
    cells = [f"{count} x {kind}", *_seconds(exact)]
    for _, made in low:
        found = [agreement(a.scores, b.scores) for a, b in zip(exact, made, strict=True)]
        wall = median(a.seconds / b.seconds for a, b in zip(exact, made, strict=True))
        work = median(
            a.processor_seconds / b.processor_seconds for a, b in zip(exact, made, strict=True)
        )
        moved = median(one.mean for one in found), max(one.largest for one in found)
        cells += [*_seconds(made), f"{wall:.2f}", f"{work:.2f}", f"{moved[0]:.4f}, {moved[1]:.4f}"]
        cells.append(f"{median(one.tau for one in found):.3f}")
    return cells


def _seconds(calls: list[Call]) -> list[str]:
    return [
        f"{median(call.seconds for call in calls):.3f}",
        f"{median(call.processor_seconds for call in calls):.3f}",
    ]


def _has(instruction: str) -> bool:
    return f" {instruction} " in Path("/proc/cpuinfo").read_text()


def _report(about: dict[str, Any], lines: list[str], memory: dict[str, list[float]]) -> str:
    heads = [f"- {key}: {value}" for key, value in about.items()]
    taken = [line(["format", "MB, loaded", "peak while loading", "peak in all"]), line(["---"] * 4)]
    taken += [line([name, *(f"{one:.0f}" for one in made)]) for name, made in memory.items()]
    return "\n".join([*heads, "", *lines, "", *taken]) + "\n"


if __name__ == "__main__":
    main()
