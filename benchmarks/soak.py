"""A server under many times the load that it carries: deadlines, memory, log.

    python -m benchmarks.soak --model builtin

Starts `qwen-rerank serve` in a process of its own. First eight clients find out what it carries,
then requests come at twenty times that rate, whether the server keeps up or not. Each request
must be answered rightly or refused within the deadline.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import aiohttp

from benchmarks.serve_load import Request, closed, is_right, memory, score_directly, server
from benchmarks.texts import documents, query
from qwen_rerank import LocalScorer

DOCUMENTS = 10
CLIENTS = 8
GRACE = 1.0
"""Seconds after the deadline that a reply may take to arrive, on a busy machine."""


@dataclass
class Soak:
    """What came of all requests."""

    deadline: float
    seconds: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    """By status; 0 is a connection that broke."""
    wrong: int = 0
    megabytes: list[int] = field(default_factory=list)
    """Resident, once a second."""

    @property
    def late(self) -> int:
        """Requests whose reply came after the deadline."""
        latest = self.deadline + GRACE
        return sum(took > latest for many in self.seconds.values() for took in many)

    def __str__(self) -> str:
        statuses = [
            f"{status}: {len(many)}, p50 {median(many):.2f} s, max {max(many):.2f} s"
            for status, many in sorted(self.seconds.items())
        ]
        start, end = self.megabytes[0], self.megabytes[-1]
        return (
            f"{'; '.join(statuses)}; {self.wrong} wrong, {self.late} late; "
            f"memory {start} MB at the start, {max(self.megabytes)} at most, {end} at the end"
        )


def workload(model: str, count: int = 20) -> list[Request]:
    """Requests of ten paragraphs each, scored directly."""
    asked = [(query(number), documents("paragraph", DOCUMENTS + number)) for number in range(count)]
    asked = [(text, found[:DOCUMENTS]) for text, found in asked]
    scores = score_directly(LocalScorer(model), asked)
    return [Request(q, d, s) for (q, d), s in zip(asked, scores, strict=True)]


async def soak(
    url: str, pid: int, requests: list[Request], *, rate: float, seconds: float, deadline: float
) -> Soak:
    """Requests at this rate per second; each has a connection of its own."""
    found, dice, start = Soak(deadline), random.Random(1), time.monotonic()
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    timeout = aiohttp.ClientTimeout(total=10 * deadline)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        asking: list[asyncio.Task[None]] = []
        while (now := time.monotonic() - start) < seconds:
            if now >= len(found.megabytes):
                found.megabytes.append(memory(pid))
            if len(asking) < now * rate:
                asking.append(asyncio.create_task(ask(session, url, dice.choice(requests), found)))
            await asyncio.sleep(0 if len(asking) < now * rate else 1 / rate)
        await asyncio.gather(*asking)
    found.megabytes.append(memory(pid))
    return found


async def ask(session: aiohttp.ClientSession, url: str, request: Request, found: Soak) -> None:
    start, status = time.monotonic(), 0
    try:
        async with session.post(f"{url}/rerank", json=request.body) as reply:
            content, status = await reply.json(), reply.status
            found.wrong += status == 200 and not is_right(request, content)
    except (aiohttp.ClientError, TimeoutError):
        pass  # counted as status 0
    found.seconds[status].append(time.monotonic() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--deadline", type=float, default=5)
    parser.add_argument("--times", type=float, default=20, help="the load that it carries")
    options = parser.parse_args()
    requests = workload(options.model)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with server(options.model, "--deadline", str(options.deadline), log=log) as (url, pid):
            carried = len(asyncio.run(closed(url, requests, CLIENTS, 10)).seconds) / 10
            rate = options.times * carried
            print(f"carries {carried:.1f} requests/s of {DOCUMENTS} paragraphs", flush=True)
            limits = {"rate": rate, "seconds": options.seconds, "deadline": options.deadline}
            found = asyncio.run(soak(url, pid, requests, **limits))
            sent = sum(map(len, found.seconds.values())) / options.seconds
            print(f"wanted {rate:.0f} requests/s, sent {sent:.0f}, deadline {options.deadline} s")
            print(f"{found}; log {log.stat().st_size / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
