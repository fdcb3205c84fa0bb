"""A call beside busy processes, against an idle machine: in this process and through the server.

    python -m benchmarks.contention --busy 2

Each setting of OpenMP runs in processes of its own. Run it on a machine with nothing else to do.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.server_process import SERVE, URL, server_process
from benchmarks.texts import documents, query
from qwen_rerank import BatchScorer, LocalScorer, RemoteScorer

DOCUMENTS = 100
"""Short ones."""
CALLS = 7
SETTINGS: dict[str, dict[str, str]] = {
    "as it comes": {},
    "GOMP_SPINCOUNT=300000": {"GOMP_SPINCOUNT": "300000"},
    "OMP_WAIT_POLICY=passive": {"OMP_WAIT_POLICY": "passive"},
    "OMP_NUM_THREADS=1": {"OMP_NUM_THREADS": "1"},
}
DOORS: dict[str, Callable[[], BatchScorer]] = {
    "in process": lambda: LocalScorer("builtin", device="cpu"),
    "server": lambda: RemoteScorer(URL, timeout=600),
}


def main() -> None:
    """Read the arguments; measure everything, or one door in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--busy", type=int, default=os.cpu_count(), help="busy processes [cores]")
    parser.add_argument("--only", choices=list(DOORS), help="measure here, print seconds")
    options = parser.parse_args()
    if options.only:
        print(median_seconds(DOORS[options.only]()))
    else:
        compare(options.busy)


def compare(count: int) -> None:
    """Print a table: each door and setting, idle and beside busy processes."""
    print("| | setting | idle | busy | ratio |\n|---|---|---|---|---|")
    # importing qwen_rerank has set it here, and it would override OMP_WAIT_POLICY
    own = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    for name, variables in SETTINGS.items():
        environment = {**own, **variables}
        with server_process(SERVE, environment):
            for door in DOORS:
                idle = measured(door, environment)
                with busy(count):
                    loaded = measured(door, environment)
                cells = f"{idle:.2f} s | {loaded:.2f} s | {loaded / idle:.2f}"
                print(f"| {door} | {name} | {cells} |", flush=True)


def measured(door: str, environment: dict[str, str]) -> float:
    """Seconds of the median call, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.contention", "--only", door]
    return float(subprocess.check_output(command, env=environment, text=True))


def median_seconds(scorer: BatchScorer) -> float:
    """Of calls with texts that no cache knows; the first one does not count."""
    texts, times, first = documents("short", DOCUMENTS), [], os.getpid() * (CALLS + 1)
    for number in range(first, first + CALLS + 1):
        start = time.perf_counter()
        scorer.score(query(number), texts)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that do nothing but count."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
