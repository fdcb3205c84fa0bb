"""The thread in which torch works, one for each device.

Each thread that calls torch on a CPU gets a team of OpenMP threads of its own. As soon as
there are more of them than cores, libgomp lets them sleep between any two operations: with
two teams a pass took 1.3 times as long (measured, see benchmarks/README.md). So it is always
the same thread that loads models and runs passes, whoever asks; and whoever has nothing to do,
a caller that waits and the worker afterwards, lets its team go. The embedding model that a
caller runs itself is faster for it, too.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

import torch

from qwen_rerank.scorers.local.cpu.openmp import dismiss_team

Answer = TypeVar("Answer")

_workers: dict[torch.device, ThreadPoolExecutor] = {}
_here = threading.local()


def on_worker(device: torch.device, work: Callable[[], Answer]) -> Answer:
    """Do something in the device's thread and wait for it, whatever interrupts the wait.

    Args:
        device: Where the work is done.
        work: May itself ask for the worker.

    Returns:
        What it returns; what it raises is raised here.
    """
    if getattr(_here, "device", None) == device:
        return work()
    future = _worker(device).submit(_with_threads, torch.get_num_threads(), work)
    try:
        return future.result()
    finally:
        wait([future])  # after Ctrl+C, too: nobody may take the work for undone


def _worker(device: torch.device) -> ThreadPoolExecutor:
    if device not in _workers:
        name = f"qwen-rerank {device}"
        made = ThreadPoolExecutor(1, name, initializer=_begin, initargs=(device,))
        return _workers.setdefault(device, made)  # another thread's, if that was quicker
    return _workers[device]


def _begin(device: torch.device) -> None:
    _here.device = device


def _with_threads(count: int, work: Callable[[], Answer]) -> Answer:
    """Each thread has its own number of torch threads; the caller's counts."""
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)
    try:
        return work()
    finally:
        dismiss_team(_here.device)


if hasattr(os, "register_at_fork"):  # a forked child has none of its parent's threads
    os.register_at_fork(after_in_child=_workers.clear)
