"""Bulk jobs of 20,000 pairs: their throughput against one process, and what faults do to one.

    python -m benchmarks.ray_bulk --output benchmarks/results/ray_bulk.json

The last job is interrupted (SIGINT), started again, and loses an actor (SIGKILL). All outputs
have to hold every row once, with the scores of one process.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.ray_serve import EQUAL
from benchmarks.texts import documents, query
from qwen_rerank import LocalScorer, RerankRequest, Scores

DOCUMENTS = 10
"""In each row."""
TOLERANCE = 1e-5
RATE = "documents/s after the start"


def make_input(folder: Path, pairs: int) -> list[dict[str, Any]]:
    """Rows in ten files."""
    rows: list[dict[str, Any]] = [
        {"id": number, "query": query(number), "documents": documents("short", DOCUMENTS + number)}
        for number in range(pairs // DOCUMENTS)
    ]
    for row in rows:
        row["documents"] = row["documents"][:DOCUMENTS]
    folder.mkdir()
    for part in range(10):
        text = "".join(f"{json.dumps(row)}\n" for row in rows[part::10])
        (folder / f"{part}.jsonl").write_text(text, encoding="utf-8")
    return rows


def score_directly(rows: list[dict[str, Any]]) -> tuple[list[list[float]], float]:
    """The scores of one process, and its seconds without loading the model."""
    scorer = LocalScorer("builtin", device="cpu")
    scorer.score("warm up", documents("short", 20))
    start = time.perf_counter()
    outcomes = scorer.score_batch([RerankRequest(row["query"], row["documents"]) for row in rows])
    seconds = time.perf_counter() - start
    found = [outcome.documents for outcome in outcomes if isinstance(outcome, Scores)]
    return [[document.score or 0.0 for document in row] for row in found], seconds


def direct_rate(rows: list[dict[str, Any]]) -> float:
    """Documents per second of one process."""
    return len(rows) * DOCUMENTS / score_directly(rows)[1]


def bulk(source: Path, target: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "qwen_rerank", "bulk", str(source), str(target)]
    command += ["--model", "builtin", "--device", "cpu", "--rows-per-file", "100", *options]
    environment = {**os.environ, **EQUAL}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


def after_start(target: Path, actors: int) -> tuple[int, float]:
    """Rows in all files but the first of each actor, and the seconds from then on."""
    files = sorted(target.glob("*.jsonl"), key=lambda file: file.stat().st_mtime_ns)
    rows = sum(len(file.read_bytes().splitlines()) for file in files[actors:])
    return rows, (files[-1].stat().st_mtime_ns - files[actors - 1].stat().st_mtime_ns) / 1e9


def check(target: Path, scores: list[list[float]]) -> None:
    """Every row once, and equal to one process."""
    lines = [json.loads(line) for file in target.glob("*.jsonl") for line in file.open("rb")]
    assert sorted(line["id"] for line in lines) == list(range(len(scores)))
    for line in lines:
        for found, wanted in zip(line["scores"], scores[line["id"]], strict=True):
            assert abs(found - wanted) < TOLERANCE


def kill_an_actor() -> int:
    """The process of an actor that holds the model, found by the name Ray gives it."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::MapWorker(MapBatches(LineReranker"):
            os.kill(int(folder.name), signal.SIGKILL)
            return int(folder.name)
    raise SystemExit("no actor to kill")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), options.pairs)
    print(json.dumps(found, indent=1))
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def measure(folder: Path, pairs: int) -> dict[str, Any]:
    rows = make_input(folder / "in", pairs)
    part = rows[: len(rows) // 5]
    scores, seconds = score_directly(rows)
    direct = [pairs / seconds]
    found = {"one actor": calm(folder, scores, 1)}
    direct.append(direct_rate(part))
    cores = os.cpu_count() or 1
    found["an actor for each core"] = calm(folder, scores, cores, "--num-cpus", "1")
    direct.append(direct_rate(part))
    return {
        "pairs": pairs,
        "one process, documents/s before, between and after": [round(rate, 1) for rate in direct],
        **{
            name: {**job, "ratio to one process": round(job[RATE] / mean(direct), 2)}
            for name, job in found.items()
        },
        "with faults": faults(folder, scores),
    }


def calm(folder: Path, scores: list[list[float]], actors: int, *options: str) -> dict[str, float]:
    """A job that nothing disturbs."""
    target, start = folder / f"actors{actors}", time.perf_counter()
    assert bulk(folder / "in", target, "--actors", str(actors), *options).wait() == 0
    whole = time.perf_counter() - start
    check(target, scores)
    rows, seconds = after_start(target, actors)
    rate = round(rows * DOCUMENTS / seconds, 1)
    return {RATE: rate, "seconds of the whole job": round(whole, 1)}


def faults(folder: Path, scores: list[list[float]]) -> dict[str, Any]:
    target, start = folder / "faults", time.perf_counter()
    first = bulk(folder / "in", target)
    wait_for(len(scores) // 300, target)
    first.send_signal(signal.SIGINT)
    assert first.wait() == 130
    kept = len(list(target.glob("*.jsonl")))
    second = bulk(folder / "in", target)
    wait_for(kept + 3, target)
    kill_an_actor()
    assert second.wait() == 0
    check(target, scores)
    return {
        "files kept by the interruption": kept,
        "files": len(list(target.glob("*.jsonl"))),
        "seconds": round(time.perf_counter() - start, 1),
        "every row once, equal to one process": True,
    }


def wait_for(files: int, target: Path) -> None:
    while len(list(target.glob("*.jsonl"))) < files:
        time.sleep(0.05)


if __name__ == "__main__":
    main()
