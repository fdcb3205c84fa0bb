"""Times the peers against each other, in turns, so that a busy machine is unfair to nobody."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import torch

from benchmarks import texts
from benchmarks.floor import operations, product_speed, synchronize
from benchmarks.memory import peak_megabytes
from benchmarks.peers import Peers

AGREE = {torch.float32: 1e-5}
LOOSE = 0.05
"""How far scores may lie apart in half precision, where every order of additions differs."""


@dataclass
class Row:
    """One kind and number of documents."""

    kind: str
    candidates: int
    documents_per_second: dict[str, float]
    ratio: dict[str, float]
    """Seconds of a peer by ours: the median over rounds, each peer beside ours."""
    efficiency: float
    """Our products per second by the machine's own speed, median over rounds."""
    peak_megabytes: dict[str, float]
    largest_difference: float
    """Of a score, from the official code's."""


def compare(peers: Peers, kind: str, count: int, rounds: int, slow: set[str]) -> Row:
    """Check that all agree, then time them in turns."""
    device, dtype = peers.device, peers.model.dtype
    documents = texts.documents(kind, count)
    functions = {name: f for name, f in peers().items() if name not in slow}
    scores: dict[str, list[float]] = {}
    peaks = {}
    for name, function in functions.items():
        peaks[name] = peak_megabytes(
            device, lambda n=name, f=function: scores.update({n: f(texts.query(0), documents)})
        )
    truth = scores.get("official", scores["ours"])
    apart = max(abs(a - b) for s in scores.values() for a, b in zip(s, truth, strict=True))
    if apart > AGREE.get(dtype, LOOSE):
        raise SystemExit(f"{kind} x {count}: scores lie {apart} apart, nothing was timed")
    times: dict[str, list[float]] = {name: [] for name in functions}
    efficiencies = []
    for number in range(1, rounds + 1):
        speed = product_speed(peers.model, 1024)
        for name, function in functions.items():
            times[name].append(_seconds(peers, name, function, number, documents))
        speed = max(speed, product_speed(peers.model, 1024))
        work = _work(peers, number, documents)
        efficiencies.append(work / times["ours"][-1] / speed)
    return Row(
        kind,
        count,
        {name: count / median(seconds) for name, seconds in times.items()},
        {name: _ratio(seconds, times["ours"]) for name, seconds in times.items()},
        median(efficiencies),
        peaks,
        apart,
    )


def threads(peers: Peers, callers: int, each: int, rounds: int) -> dict[str, float]:
    """Documents per second of one thread, and of several that call at once."""
    documents = texts.documents("paragraph", each)
    work = [(texts.query(number), documents) for number in range(callers)]
    truth = [peers.ours(*job) for job in work]
    alone, together = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        for job in work:
            peers.ours(*job)
        alone.append(time.perf_counter() - start)
        start = time.perf_counter()
        with ThreadPoolExecutor(callers) as pool:
            scores = list(pool.map(lambda job: peers.ours(*job), work))
        together.append(time.perf_counter() - start)
        assert all(
            abs(a - b) < LOOSE if peers.model.dtype != torch.float32 else abs(a - b) < 1e-5
            for s, t in zip(scores, truth, strict=True)
            for a, b in zip(s, t, strict=True)
        )
    return {
        "callers": callers,
        "documents each": each,
        "one after the other, documents/s": callers * each / median(alone),
        "at once, documents/s": callers * each / median(together),
        "ratio": _ratio(alone, together),
    }


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """For a file."""
    return [asdict(row) for row in rows]


def _seconds(peers: Peers, name: str, function: Any, number: int, documents: list[str]) -> float:
    """Of one call with a query that is new, so that nobody gains by having seen it."""
    if name == "ours":
        peers.passed = 0
    synchronize(peers.device)
    start = time.perf_counter()
    function(texts.query(number), documents)
    synchronize(peers.device)
    return time.perf_counter() - start


def _work(peers: Peers, number: int, documents: list[str]) -> float:
    encoded = peers.encoder.encode(texts.query(number), documents)
    return operations(
        peers.model, peers.passed, [len(tail) for tail in encoded.tails], len(encoded.head)
    )


def _ratio(theirs: list[float], ours: list[float]) -> float:
    return median(t / o for t, o in zip(theirs, ours, strict=True))
