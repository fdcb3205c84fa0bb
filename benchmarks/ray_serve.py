"""What Ray Serve costs over `qwen-rerank serve`, and how throughput grows with replicas.

    python -m benchmarks.ray_serve --output benchmarks/results/ray_serve.json

Starts each server in a process of its own and asks it from this one. A server's processor time is
that of all processes below it: for Ray these are also its store, its controller and its proxy.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.serve_load import processor_seconds
from benchmarks.server_process import PORT, SERVE, URL, server_process
from benchmarks.texts import documents, query

DOCUMENTS = 10
"""In each request; about 40 tokens each."""
MODES: dict[str, dict[str, str]] = {
    "qwen-rerank serve": {},
    "Ray Serve": {},
    "Ray Serve with HAProxy": {"RAY_SERVE_ENABLE_HA_PROXY": "1"},
}
EQUAL = {"RAY_worker_niceness": "0"}
"""Ray's workers give way to all other processes by default; a plain server does not."""


def server(mode: str, replicas: int = 1) -> AbstractContextManager[int]:
    """A ready server with one thread for each model; its process."""
    command = SERVE
    if mode != "qwen-rerank serve":
        command = [sys.executable, "-m", "benchmarks.ray_application", str(PORT), str(replicas)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **EQUAL, **MODES[mode]}
    return server_process(command, environment)


def family_seconds(pid: int) -> float:
    """Processor seconds of a process and all below it, those that ended left out."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text(encoding="utf-8")
        except OSError:  # it has just ended
            continue
        parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    family, more = {pid}, {pid}
    while more:
        more = {child for child, parent in parents.items() if parent in more}
        family |= more
    return sum(map(processor_seconds, family))


async def ask(session: aiohttp.ClientSession, number: int) -> float:
    start = time.perf_counter()
    body = {"query": query(number), "documents": documents("short", DOCUMENTS + number % 3)}
    async with session.post(f"{URL}/rerank", json=body) as reply:
        await reply.json()
        reply.raise_for_status()
    return time.perf_counter() - start


async def load(clients: int, seconds: float) -> list[float]:
    """The seconds of each request of so many clients."""
    times: list[float] = []
    end = time.monotonic() + seconds

    async def client(session: aiohttp.ClientSession, number: int) -> None:
        dice = random.Random(number)
        while time.monotonic() < end:
            times.append(await ask(session, dice.randrange(1000)))

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(client(session, number) for number in range(clients)))
    return times


def measure(pid: int, clients: int, seconds: float) -> dict[str, Any]:
    asyncio.run(load(clients, 3))  # warm-up
    worked, start = family_seconds(pid), time.perf_counter()
    times = sorted(asyncio.run(load(clients, seconds)))
    wall, worked = time.perf_counter() - start, family_seconds(pid) - worked
    return {
        "clients": clients,
        "requests": len(times),
        "requests_per_second": round(len(times) / wall, 1),
        "p50_ms": round(1000 * statistics.median(times), 1),
        "p95_ms": round(1000 * times[int(len(times) * 0.95)], 1),
        "processor_ms_per_request": round(1000 * worked / len(times), 1),
    }


def rows(seconds: float) -> Iterator[dict[str, Any]]:
    """One row for each server and number of clients."""
    last = list(MODES)[-1]
    for mode, replicas, clients in [*((mode, 1, (1, 16)) for mode in MODES), (last, 2, (16,))]:
        with server(mode, replicas) as pid:
            for count in clients:
                row = {"server": mode, "replicas": replicas, **measure(pid, count, seconds)}
                print(row, flush=True)
                yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    found = list(rows(options.seconds))
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
