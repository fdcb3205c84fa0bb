"""Times the peers against each other, in turns, so that a busy machine is unfair to nobody."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, NamedTuple

import torch

from benchmarks import texts
from benchmarks.floor import operations, product_operations, product_seconds, synchronize
from benchmarks.memory import peak_megabytes
from benchmarks.peers import Peers, Score
from qwen_rerank import RerankRequest

AGREE = {torch.float32: 1e-5}
TOKENS = 1024
LOOSE = 0.05
"""How far scores may lie apart in half precision, where every order of additions differs."""


class Seconds(NamedTuple):
    """Of one call: on the wall, and of all processors together (0 on a GPU)."""

    wall: float
    work: float


@dataclass
class Row:
    """One kind and number of documents."""

    kind: str
    candidates: int
    documents_per_second: dict[str, float]
    ratio: dict[str, float]
    """Seconds of a peer by ours: the median over rounds, each peer beside ours."""
    work_ratio: dict[str, float]
    """The same of processor seconds, which other jobs on the machine disturb less."""
    efficiency: float
    """Our products per second by the machine's own speed, median over rounds; on a CPU per
    processor second. The machine's own is the faster of torch's and the packed products."""
    products_per_second: dict[str, float]
    """The machine's speed, median over rounds: operations, per processor second on a CPU."""
    peak_megabytes: dict[str, float]
    largest_difference: float
    """Of a score, from the official code's."""


def compare(peers: Peers, kind: str, count: int, rounds: int, slow: set[str]) -> Row:
    """Time all in turns; a peer that scores otherwise ends the run."""
    documents = texts.documents(kind, count)
    functions = {name: f for name, f in peers().items() if name not in slow}
    for function in functions.values():
        function(texts.query(0), texts.documents("short", 2))
    times: dict[str, list[Seconds]] = {name: [] for name in functions}
    efficiencies, peaks, apart = [], dict[str, float](), 0.0
    speeds: list[dict[str, float]] = []
    for number in range(1, rounds + 1):
        floors = [_floor(peers)]
        scores = {}
        for name, function in functions.items():
            seconds, peak, scores[name] = _timed(peers, function, texts.query(number), documents)
            times[name].append(seconds)
            peaks[name] = max(peak, peaks.get(name, 0))
            if name == "ours":
                work = _work(peers, number, documents)
        floors.append(_floor(peers))
        spent = times["ours"][-1].work or times["ours"][-1].wall
        speeds.append({name: max(floor[name] for floor in floors) for name in floors[0]})
        efficiencies.append(work / spent / max(speeds[-1].values()))
        apart = max(apart, _check(kind, peers.model.dtype, scores))
    walls = {name: [s.wall for s in seconds] for name, seconds in times.items()}
    works = {name: [s.work for s in seconds] for name, seconds in times.items()}
    return Row(
        kind,
        count,
        {name: count / median(seconds) for name, seconds in walls.items()},
        {name: _ratio(seconds, walls["ours"]) for name, seconds in walls.items()},
        {name: _ratio(seconds, works["ours"]) for name, seconds in works.items()},
        median(efficiencies),
        {name: median(speed[name] for speed in speeds) for name in speeds[0]},
        peaks,
        apart,
    )


def _floor(peers: Peers) -> dict[str, float]:
    """Products per second by torch's own linear layers, and by those of our engine."""
    work = product_operations(peers.model, TOKENS)
    backbones = {"torch's": peers.model.model, "ours": peers.backbone}
    return {name: work / product_seconds(b, TOKENS) for name, b in backbones.items()}


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


def _timed(
    peers: Peers, function: Score, query: str, documents: list[str]
) -> tuple[Seconds, float, list[float]]:
    """Time, peak memory and scores of a call with a query that nobody has seen yet."""
    peers.passed = 0
    scores: list[float] = []
    seconds = []

    def call() -> None:
        start, started = time.perf_counter(), time.process_time()
        scores.extend(function(query, documents))
        synchronize(peers.device)
        work = time.process_time() - started if peers.device.type == "cpu" else 0.0
        seconds.append(Seconds(time.perf_counter() - start, work))

    peak = peak_megabytes(peers.device, call)
    return seconds[0], peak, scores


def _check(kind: str, dtype: torch.dtype, scores: dict[str, list[float]]) -> float:
    truth = scores.get("official", scores["ours"])
    apart = max(abs(a - b) for s in scores.values() for a, b in zip(s, truth, strict=True))
    if apart > AGREE.get(dtype, LOOSE):
        raise SystemExit(f"{kind}: scores lie {apart} apart, so times say nothing")
    return apart


def _work(peers: Peers, number: int, documents: list[str]) -> float:
    encoded = peers.encoder.encode(RerankRequest(texts.query(number), documents))
    return operations(
        peers.model, peers.passed, [len(ids) for ids in encoded.documents], len(encoded.prefix)
    )


def _ratio(theirs: list[float], ours: list[float]) -> float:
    return median(t / o if o else float("nan") for t, o in zip(theirs, ours, strict=True))
