"""The most memory that a call needed above what was there before."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")


def peak_megabytes(device: torch.device, call: Callable[[], object]) -> float:
    """Run a call; on a CPU by the kernel's count of resident pages, which needs Linux."""
    if device.type == "cuda":
        return _peak_on_gpu(device, call)
    if not sys.platform.startswith("linux"):
        call()
        return float("nan")
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # or freed pages of earlier calls would hide ours
    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
    before = _status("VmRSS")
    call()
    return _status("VmHWM") - before


def resident_megabytes() -> tuple[float, float]:
    """Of this process: now, and at most so far; needs Linux."""
    return _status("VmRSS"), _status("VmHWM")


def _peak_on_gpu(device: torch.device, call: Callable[[], object]) -> float:
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    call()
    return (torch.cuda.max_memory_allocated(device) - before) / 1e6


def _status(field: str) -> float:
    lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
    return int(lines[field].split()[0]) * 1024 / 1e6
