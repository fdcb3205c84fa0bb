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


def release_openmp_threads(device: torch.device) -> bool:
    """End the OpenMP threads of the calling thread, if the device is a CPU.

    The next operation of torch that needs them starts new ones. Returns whether it could be done.
    """
    if device.type != "cpu" or (pause := _pause(os.getpid())) is None:
        return False
    pause(_SOFT)
    return True


@cache
def _pause(process: int) -> Callable[[int], object] | None:  # noqa: ARG001 - a fork looks anew
    """OpenMP's own function, if it can be used here.

    Only GNU's OpenMP ends the threads of the calling thread alone. A forked child may have
    inherited the record of its parent's threads without the threads: libgomp would wait for them
    for ever.
    """
    # by way of torch: the OpenMP that it uses itself, if other packages brought more of them
    path = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    try:
        library = ctypes.CDLL(str(path))
        pause: Callable[[int], object] = library.omp_pause_resource_all
    except (AttributeError, OSError):
        return None
    gnu = not hasattr(library, "kmp_set_blocktime")
    return pause if gnu and is_original_process() else None


def is_original_process() -> bool:
    """Whether Linux says that this is no forked child; a sandbox instead of Linux may not say."""
    try:
        fields = _STAT.read_bytes().rpartition(b")")[2].split()
        flags = int(fields[6])
    except (OSError, ValueError, IndexError):
        return False
    return flags != 0 and not flags & _FORKED
