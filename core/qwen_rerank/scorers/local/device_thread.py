"""The thread in which torch works, one for each device.

Each thread that calls torch on a CPU gets OpenMP threads of its own. As soon as there are more
of them than cores, libgomp lets them sleep between any two operations: with two such teams a
pass took 1.3 times as long (measured, see benchmarks/README.md). So one thread runs the passes
of all models on a device. Threads with nothing to do release their OpenMP threads: a caller that
waits, and this thread afterwards. An embedding model that the caller runs is faster for it, too.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

from qwen_rerank._threads import run_now_and_after_fork
from qwen_rerank.scorers.local.cpu.openmp import release_openmp_threads

_executors: dict[torch.device, ThreadPoolExecutor] = {}


def start_on_device_thread(device: torch.device, work: Callable[[], bool]) -> None:
    """Call a function in the device's thread, again and again as long as it returns true.

    Between two calls the functions of other models have their turns.

    Args:
        device: Where the work is done.
        work: Runs with the caller's number of torch threads.
    """
    executor = _executors.get(device)
    if executor is None:  # another thread may be faster with its own
        executor = _executors.setdefault(device, ThreadPoolExecutor(1, f"qwen-rerank {device}"))
    executor.submit(_work, executor, device, torch.get_num_threads(), work)


def _work(
    executor: ThreadPoolExecutor, device: torch.device, threads: int, work: Callable[[], bool]
) -> None:
    if torch.get_num_threads() != threads:  # each thread has its own number
        torch.set_num_threads(threads)
    while work():
        try:
            executor.submit(_work, executor, device, threads, work)
        except RuntimeError:  # the interpreter ends: nobody else gets a turn any more
            continue
        return
    release_openmp_threads(device)


run_now_and_after_fork(_executors.clear)  # a forked child has none of its parent's threads
