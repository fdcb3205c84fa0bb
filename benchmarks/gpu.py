"""Compares our engine on a GPU with its peers: `python -m benchmarks.gpu --help`.

One model of random weights in bf16 for all. First each one's log-odds are compared with fp32's,
then each is timed: several queries in one call for documents/s, one query for the latency.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks import texts
from benchmarks.floor import operations, product_operations, product_seconds, synchronize
from benchmarks.gpu_peers import Model, Score, Task, candidates
from benchmarks.gpu_profile import profile
from benchmarks.memory import peak_megabytes
from benchmarks.model import build
from benchmarks.options import common_parser
from benchmarks.report import machine

TOO_FAR = 0.3
"""Log-odds that lie so far from fp32's are another computation, not bf16's rounding."""
TOKENS = 8192
"""Of the passes that the linear layers are timed with: about 50 paragraphs."""
TITLES = ("documents", "who", "documents/s", "of the peak", "latency, ms", "tokenizing, ms",
          "peak MB", "from fp32")  # fmt: skip


def main() -> None:
    """Build the model, measure line by line as long as there is time, write the results."""
    options = _options()
    end = time.monotonic() + options.seconds
    device = torch.device(options.device)
    with tempfile.TemporaryDirectory() as scratch:
        folder = build(options.size, Path(options.model or scratch), options.dtype)
        model = Model(folder, device, options.dtype)
        about: dict[str, Any] = {
            "command": f"python -m benchmarks.gpu {shlex.join(sys.argv[1:])}",
            "size": options.size,
            **machine(),
            "peak, TFLOP/s": round(_peak(device, options.dtype) / 1e12, 4),
            "the model's linear layers alone, TFLOP/s": round(_products(model) / 1e12, 4),
        }
        run = Run(model, about, options, end)
        print(json.dumps(about), flush=True)
        for name, make in candidates():
            if not options.only or name in options.only:
                run.measure(name, make)
                text = run.write()
        print(f"\n{text}", flush=True)


class Run:
    """All lines of one run.

    Args:
        model: What is measured.
        about: What a reader must know to judge the figures; holds the peak.
        options: Of the command.
        end: On the monotonic clock, when no further line is begun.
    """

    def __init__(
        self, model: Model, about: dict[str, Any], options: argparse.Namespace, end: float
    ) -> None:
        self._model, self._about, self._options, self._end = model, about, options, end
        self._rows: list[dict[str, Any]] = []
        self._notes: list[str] = []
        self._truth: dict[str, list[float]] = {}

    def measure(self, name: str, make: Any) -> None:
        """Make one of those compared and run all its lines; what fails is noted in one line."""
        try:
            score = make(self._model)
            for case in self._options.cases:
                if time.monotonic() > self._end:
                    self._note(f"{name}: no time left for {case}")
                    return
                self._line(name, score, case)
            if self._options.profile and name in self._model.engines:
                profile(name, lambda: score(_tasks("paragraph:50", 1, 90)))
        except Exception as error:  # one that fails costs the others nothing
            reason = (str(error).strip().splitlines() or ["no reason given"])[0]
            self._note(f"{name}: {type(error).__name__}: {reason}")

    def _line(self, name: str, score: Score, case: str) -> None:
        device, rounds = self._model.device, self._options.rounds
        apart = self._apart(score, case)
        row = {"documents": case, "who": name, "from fp32": apart}
        self._rows.append(row)
        if not apart < TOO_FAR:
            raise ValueError(f"log-odds of {case} lie {apart:.3f} from fp32's")
        queries = self._options.queries
        score(_tasks(case, queries, 10))
        one = [_seconds(device, score, _tasks(case, 1, 20 + n)) for n in range(rounds)]
        many = [_tasks(case, queries, 30 + 10 * n) for n in range(rounds)]
        all_of_them = median(_seconds(device, score, tasks) for tasks in many)
        row["documents/s"] = sum(len(t) for _, t in many[0]) / all_of_them
        row["latency, ms"] = 1000 * median(one)
        if name in self._model.engines:
            row["of the peak"] = self._work(many[0]) / all_of_them / self._peak
            row["tokenizing, ms"] = 1000 * _elapsed(
                lambda: list(self._model.encoded(_tasks(case, 1, 20)))
            )
        row["peak MB"] = peak_megabytes(device, lambda: score(many[0]))
        print(_cells(row), flush=True)

    @property
    def _peak(self) -> float:
        return float(self._about["peak, TFLOP/s"]) * 1e12

    def _apart(self, score: Score, case: str) -> float:
        """The largest difference of log-odds from fp32's, of one query."""
        tasks = _tasks(case, 1, 1)
        if case not in self._truth:
            self._truth[case] = self._model.truth(tasks)[0]
            least, most = min(self._truth[case]), max(self._truth[case])
            self._note(f"{case}: log-odds in fp32 from {least:.3f} to {most:.3f}")
        [found] = score(tasks)
        pairs = zip(found, self._truth[case], strict=True)
        return max(abs(mine - true) for mine, true in pairs)

    def _work(self, tasks: Sequence[Task]) -> float:
        """Operations of our engine, which reads what the documents of a query share once."""
        return sum(
            operations(
                self._model.official.model,
                len(query.prefix) + sum(map(len, query.documents)),
                [len(ids) for ids in query.documents],
                len(query.prefix),
            )
            for query in self._model.encoded(tasks)
        )

    def _note(self, text: str) -> None:
        self._notes.append(text)
        print(text, flush=True)

    def write(self) -> str:
        """The results as JSON and Markdown, named by the machine; returns the Markdown."""
        lines = [f"- {key}: {value}" for key, value in self._about.items()]
        lines += [f"- {note}" for note in self._notes]
        lines += ["", _joined(TITLES), _joined(["---"] * len(TITLES))]
        lines += [_cells(row) for row in sorted(self._rows, key=lambda row: row["documents"])]
        text, folder = "\n".join(lines) + "\n", self._options.out
        folder.mkdir(parents=True, exist_ok=True)
        name = str(self._about["machine"]).replace(" ", "_").lower()
        results = {"about": self._about, "notes": self._notes, "rows": self._rows}
        (folder / f"gpu_{name}.json").write_text(json.dumps(results, indent=1) + "\n")
        (folder / f"gpu_{name}.md").write_text(text)
        return text


def _tasks(case: str, queries: int, first: int) -> list[Task]:
    """Queries that nobody has seen yet, each with documents of its own."""
    kind, count = case.split(":")
    documents = texts.documents(kind, int(count) * queries)
    parts = [documents[n * int(count) : (n + 1) * int(count)] for n in range(queries)]
    return [(texts.query(first + n), part) for n, part in enumerate(parts)]


def _seconds(device: torch.device, score: Score, tasks: Sequence[Task]) -> float:
    synchronize(device)
    start = time.perf_counter()
    score(tasks)
    synchronize(device)
    return time.perf_counter() - start


def _elapsed(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _peak(device: torch.device, dtype: torch.dtype) -> float:
    """Operations per second of a large product, median of ten after three that warm up."""
    size = 8192 if device.type == "cuda" else 512
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    times = []
    for _ in range(13):
        synchronize(device)
        start = time.perf_counter()
        left @ right
        synchronize(device)
        times.append(time.perf_counter() - start)
    return 2 * size**3 / median(times[3:])


def _products(model: Model) -> float:
    """Operations per second of the linear layers, the fastest of three runs."""
    whole = model.official.model
    seconds = min(product_seconds(whole.model, TOKENS) for _ in range(3))
    return product_operations(whole, TOKENS) / seconds


def _cells(row: dict[str, Any]) -> str:
    digits = {"documents/s": 1, "of the peak": 3, "latency, ms": 2, "tokenizing, ms": 2,
              "peak MB": 0, "from fp32": 4}  # fmt: skip
    return _joined(
        [f"{row[t]:.{digits[t]}f}" if t in digits and t in row else row.get(t, "") for t in TITLES]
    )


def _joined(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _options() -> argparse.Namespace:
    parser = common_parser(__doc__, rounds=5)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", type=lambda name: getattr(torch, name), default=torch.bfloat16)
    cases = ["short:50", "paragraph:50", "chunk:20", "long:5"]
    parser.add_argument("--cases", nargs="+", default=cases, help="kind:documents of a query")
    parser.add_argument("--queries", type=int, default=4, help="in one call, for documents/s")
    parser.add_argument("--only", nargs="*", default=[], help="names to measure; all without")
    parser.add_argument("--seconds", type=float, default=300, help="begin no line after these")
    parser.add_argument("--profile", action="store_true", help="print the kernels of paragraphs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
