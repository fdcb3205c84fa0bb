"""Where a call's time goes on a GPU: kernels, and the work of the processor before them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch._C._autograd import DeviceType
from torch._C._profiler import _ExperimentalConfig
from torch.profiler import ProfilerActivity

CALLS = 2
KERNELS = 15


def profile(name: str, call: Callable[[], object]) -> None:
    """Print a call's time, the GPU's share of it, and its longest kernels and operations."""
    call()
    activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA]
    every_thread = _ExperimentalConfig(profile_all_threads=True)  # passes have one of their own
    with torch.profiler.profile(activities=activities, experimental_config=every_thread) as seen:
        start = time.perf_counter()
        for _ in range(CALLS):
            call()
        wall = (time.perf_counter() - start) / CALLS
    events: list[Any] = list(seen.key_averages())
    kernels = [e for e in events if e.device_type == DeviceType.CUDA]
    hosts = [e for e in events if e.device_type == DeviceType.CPU]
    busy = sum(e.self_device_time_total for e in kernels) / CALLS / 1000
    print(f"\n{name}, 50 paragraphs, profiled: {1000 * wall:.1f} ms a call, GPU busy {busy:.1f} ms")
    for kernel in sorted(kernels, key=lambda e: -e.self_device_time_total)[:KERNELS]:
        spent = kernel.self_device_time_total / CALLS / 1000
        print(f"{spent:9.3f} ms {kernel.count // CALLS:5} x {kernel.key[:90]}")
    print("by the processor's own time:")
    for host in sorted(hosts, key=lambda e: -e.self_cpu_time_total)[:KERNELS]:
        spent = host.self_cpu_time_total / CALLS / 1000
        print(f"{spent:9.3f} ms {host.count // CALLS:5} x {host.key[:90]}", flush=True)
