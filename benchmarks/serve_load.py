"""The server under load on loopback: right answers, throughput, overload, hang-ups, memory.

    python -m benchmarks.serve_load --model builtin

Starts `qwen-rerank serve` in a process of its own. The load comes from this process, on the
same machine, so that the throughput includes what the clients cost.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from benchmarks.texts import documents, query
from qwen_rerank import LocalScorer, RerankRequest, Scores

CLIENTS = 64
TOLERANCE = 1e-5
"""Scores move this much with the pack that they are computed in."""


@dataclass(frozen=True)
class Request:
    """A request, and the scores that it has to get."""

    query: str
    documents: list[str]
    scores: list[float]

    @property
    def body(self) -> dict[str, object]:
        return {"query": self.query, "documents": self.documents}


@dataclass
class Tally:
    """What came of the requests of one phase."""

    codes: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    documents: int = 0
    wrong: int = 0
    lost: int = 0
    without_retry_after: int = 0

    def note(self, request: Request, status: int, reply: dict, headers, seconds: float) -> None:  # type: ignore[no-untyped-def, type-arg]
        self.codes[status] += 1
        if status == 200:
            self.seconds.append(seconds)
            self.documents += len(request.documents)
            self.wrong += not is_right(request, reply)
        elif status == 503:
            self.without_retry_after += not headers.get("Retry-After", "").isdigit()

    def __str__(self) -> str:
        times = sorted(self.seconds) or [0.0]
        p50, p99 = statistics.median(times), times[int(len(times) * 0.99)]
        return (
            f"{dict(self.codes)}, {self.wrong} wrong, {self.lost} lost, "
            f"p50 {p50:.2f} s, p99 {p99:.2f} s, max {times[-1]:.2f} s"
        )


def is_right(request: Request, reply: dict) -> bool:  # type: ignore[type-arg]
    """Whether each document has its score, and the best come first."""
    rows = reply["reranked_documents"]
    scores = [row["score"] for row in rows]
    found = {row["index"]: row["score"] for row in rows}
    whole = sorted(found) == list(range(len(request.documents)))
    near = whole and all(
        abs(found[i] - score) < TOLERANCE for i, score in enumerate(request.scores)
    )
    return near and scores == sorted(scores, reverse=True)


def workload(scorer: LocalScorer, count: int) -> tuple[list[Request], str]:
    """Requests of mixed sizes, scored directly; and how fast that was."""
    dice = random.Random(6)
    sizes = [dice.choice([1, 2, 5, 10, 10, 20, 20, 50]) for _ in range(count)] + [200]
    asked = [(query(n), documents("short", size + n % 7)) for n, size in enumerate(sizes)]
    scorer.score("warm up", documents("short", 20))
    clock = Clock(os.getpid())
    scores = score_directly(scorer, asked)
    requests = [Request(q, d, list(s)) for (q, d), s in zip(asked, scores, strict=True)]
    return requests, str(clock.speed(sum(len(d) for _, d in asked)))


def score_directly(scorer: LocalScorer, asked: list[tuple[str, list[str]]]) -> list[list[float]]:
    """All requests in one call, which share the model's passes."""
    outcomes = scorer.score_batch([RerankRequest(q, d) for q, d in asked])
    found = [outcome.documents for outcome in outcomes if isinstance(outcome, Scores)]
    return [[document.score or 0.0 for document in documents] for documents in found]


@dataclass(frozen=True)
class Speed:
    """Documents per second, and per second that the processor worked for the scoring process.

    The second is what a machine with other work disturbs less.
    """

    by_clock: float
    by_processor: float

    def __str__(self) -> str:
        return f"{self.by_clock:.0f} documents/s, {self.by_processor:.0f} per processor second"


class Clock:
    """Runs from its making on, for the clock on the wall and for one process."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._start, self._worked = time.perf_counter(), processor_seconds(pid)

    def speed(self, count: int) -> Speed:
        """How fast so many documents were."""
        wall, worked = time.perf_counter() - self._start, processor_seconds(self._pid)
        return Speed(count / wall, count / (worked - self._worked))


def processor_seconds(pid: int) -> float:
    """What a process has used, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def server(model: str, *options: str, log: Path = Path(os.devnull)) -> Iterator[tuple[str, int]]:
    """A ready server: its address and process."""
    command = [sys.executable, "-m", "qwen_rerank", "serve", "--no-ui", "--port", "0"]
    command += ["--model", model, *options]
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        assert process.stdout
        for line in process.stdout:
            if address := re.search(rb"POST (http://\S+)/rerank", line):
                break
        try:
            yield address[1].decode(), process.pid  # type: ignore[index]
        finally:
            process.terminate()


async def closed(url: str, requests: list[Request], clients: int, seconds: float) -> Tally:
    """So many clients, each asking as soon as it has its answer."""
    tally, end = Tally(), time.monotonic() + seconds

    async def client(session: aiohttp.ClientSession, number: int) -> None:
        dice = random.Random(number)
        while time.monotonic() < end:
            await ask(session, url, dice.choice(requests), tally)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(client(session, number) for number in range(clients)))
    return tally


async def opened(url: str, requests: list[Request], rate: float, seconds: float) -> Tally:
    """Requests at a rate in documents per second, whether the server keeps up or not."""
    tally, end, dice = Tally(), time.monotonic() + seconds, random.Random(1)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        asking = []
        while time.monotonic() < end:
            request = dice.choice(requests)
            asking.append(asyncio.create_task(ask(session, url, request, tally)))
            await asyncio.sleep(len(request.documents) / rate)
        await asyncio.gather(*asking)
    return tally


async def ask(session: aiohttp.ClientSession, url: str, request: Request, tally: Tally) -> None:
    start = time.perf_counter()
    try:
        async with session.post(f"{url}/rerank", json=request.body) as reply:
            content = await reply.json()
            seconds = time.perf_counter() - start
            tally.note(request, reply.status, content, reply.headers, seconds)
    except aiohttp.ClientError:
        tally.lost += 1


async def hang_up(url: str, requests: list[Request]) -> tuple[float, float]:
    """30 clients that leave; documents that wait afterwards, and that were scored for them."""
    large = max(requests, key=lambda request: len(request.documents))
    async with aiohttp.ClientSession() as session:
        before = await metric(session, url, "rerank_batch_pairs_sum")
        leaving = [asyncio.create_task(ask(session, url, large, Tally())) for _ in range(30)]
        await asyncio.sleep(0.1)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        await asyncio.sleep(1)
        waiting = await metric(session, url, "rerank_queue_items")
        return waiting, await metric(session, url, "rerank_batch_pairs_sum") - before


async def metric(session: aiohttp.ClientSession, url: str, name: str) -> float:
    async with session.get(f"{url}/metrics") as reply:
        found = re.search(rf"^{name} (\S+)", await reply.text(), re.MULTILINE)
        return float(found[1]) if found else 0.0


def memory(pid: int) -> int:
    """Resident megabytes."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) // 1024  # type: ignore[index]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--deadline", type=float, default=5, help="of the overloaded server")
    options = parser.parse_args()
    requests, direct = workload(LocalScorer(options.model), 60)
    print(f"directly: {direct}", flush=True)
    best = steady(options.model, requests, options.seconds / 3)
    _, again = workload(LocalScorer(options.model), 60)
    print(f"directly, once more: {again}", flush=True)
    overloaded(options.model, requests, 2 * best, options.deadline, options.seconds / 2)


def steady(model: str, requests: list[Request], seconds: float) -> float:
    """Three times so many seconds of all clients; returns the best documents per second."""
    with server(model) as (url, pid):
        asyncio.run(closed(url, requests, CLIENTS, seconds / 2))
        sizes, best = [memory(pid)], 0.0
        for _ in range(3):
            clock = Clock(pid)
            tally = asyncio.run(closed(url, requests, CLIENTS, seconds))
            speed = clock.speed(tally.documents)
            best = max(best, speed.by_clock)
            sizes.append(memory(pid))
            print(f"{CLIENTS} clients: {speed}; {tally}", flush=True)
        print(f"memory before and after each: {sizes} MB")
        waiting, scored = asyncio.run(hang_up(url, requests))
        print(f"30 hang up: {waiting:.0f} documents wait, {scored:.0f} were scored", flush=True)
    return best


def overloaded(
    model: str, requests: list[Request], rate: float, deadline: float, seconds: float
) -> None:
    """Requests at a rate that the server can't carry."""
    with server(model, "--deadline", str(deadline)) as (url, _):
        asyncio.run(closed(url, requests, 8, 5))
        tally = asyncio.run(opened(url, requests, rate, seconds))
    print(
        f"{rate:.0f} documents/s for {seconds:.0f} s, deadline {deadline} s: {tally}; "
        f"{tally.without_retry_after} refusals without Retry-After"
    )


if __name__ == "__main__":
    main()
