"""Releases the OpenMP threads of a thread that has nothing to do."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch

_STAT = Path("/proc/self/stat")
_FORKED = 0x40
"""`PF_FORKNOEXEC` of Linux: the process is a fork that runs its parent's program."""
_SOFT = 1
"""Settings are kept: `omp_pause_soft`, see `omp_pause_resource_all` in OpenMP 5.0."""


def release_openmp_threads(device: torch.device) -> None:
    """End the threads with which the calling thread shares torch's operations on a CPU.

    The next operation that wants them starts new ones. Nothing happens for other devices; where
    torch's OpenMP isn't GNU's, of whose kind others only lay threads to sleep, and those of the
    whole process; nor in a forked child, which may have inherited the team, but not its threads:
    libgomp would wait for them without end.

    Args:
        device: Where the work is done that the calling thread had a part in.
    """
    if device.type == "cpu":
        _pause(os.getpid())(_SOFT)


def _nothing(_: int) -> None:
    pass


@cache
def _pause(process: int) -> Callable[[int], object]:  # noqa: ARG001 - a fork must ask anew
    # by way of torch: the OpenMP that it uses itself, if others have brought more of them
    path = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    try:
        library = ctypes.CDLL(str(path))
        pause: Callable[[int], object] = library.omp_pause_resource_all
    except (AttributeError, OSError):
        return _nothing
    gnu = not hasattr(library, "kmp_set_blocktime")
    return pause if gnu and _own_program() else _nothing


def _own_program() -> bool:
    """Whether Linux says that this is no forked child; a sandbox in its place may say nothing."""
    try:
        fields = _STAT.read_bytes().rpartition(b")")[2].split()
        flags = int(fields[6])
    except (OSError, ValueError, IndexError):
        return False
    return flags != 0 and not flags & _FORKED
