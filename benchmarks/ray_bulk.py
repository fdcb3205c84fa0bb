"""A bulk job of 20,000 pairs: its throughput against one process, and what faults do to it.

    python -m benchmarks.ray_bulk --output benchmarks/results/ray_bulk.json

The second job is interrupted (SIGINT), started again, and loses an actor (SIGKILL). Both outputs
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
from typing import Any

from benchmarks.ray_serve import EQUAL
from benchmarks.texts import documents, query
from qwen_rerank import LocalScorer, RerankRequest, Scores

DOCUMENTS = 10
"""In each row."""
TOLERANCE = 1e-5


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


def bulk(source: Path, target: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "qwen_rerank", "bulk", str(source), str(target)]
    options = ["--model", "builtin", "--device", "cpu", "--rows-per-file", "100"]
    environment = {**os.environ, **EQUAL}
    return subprocess.Popen([*command, *options], env=environment, stdout=subprocess.DEVNULL)


def first_to_last_file(target: Path) -> tuple[int, float]:
    """Rows in all files but the first, and the seconds that they took: without any start."""
    files = sorted(target.glob("*.jsonl"), key=lambda file: file.stat().st_mtime_ns)
    rows = sum(len(file.read_bytes().splitlines()) for file in files[1:])
    return rows, (files[-1].stat().st_mtime_ns - files[0].stat().st_mtime_ns) / 1e9


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
    scores, before = score_directly(rows)
    calm, start = folder / "calm", time.perf_counter()
    assert bulk(folder / "in", calm).wait() == 0
    whole = time.perf_counter() - start
    check(calm, scores)
    count, seconds = first_to_last_file(calm)
    part = rows[: len(rows) // 5]
    after = score_directly(part)[1] * len(rows) / len(part)
    best, steady = pairs / min(before, after), count * DOCUMENTS / seconds
    return {
        "pairs": pairs,
        "one process, documents/s before and after": [round(pairs / before), round(pairs / after)],
        "bulk, documents/s from the first file to the last": round(steady),
        "share of the better one": round(steady / best, 3),
        "bulk, seconds with all starts": round(whole, 1),
        "with faults": faults(folder, scores),
    }


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
