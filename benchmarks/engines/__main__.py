"""Measures our engine and those of others on this machine's CPU, in turns."""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any, NamedTuple

import torch

from benchmarks import texts
from benchmarks.engines import llama_cpp, openvino_genai, ours, vllm_cpu
from benchmarks.engines.environment import python_of
from benchmarks.model import SIZES, build, build_tokenizer_files
from benchmarks.options import cpu_parser
from benchmarks.report import line, machine
from tests.qwen3.models import convert_to_classifier
from tests.qwen3.tokenizer import build_tokenizer

ENGINES: tuple[ModuleType, ...] = (ours, openvino_genai, llama_cpp, vllm_cpu)
EXACT = "ours float32"
TITLES = ("documents", "engine", "s", "processor s", "s by ours in fp32", "processor s by ours",
          "log-odds, largest change")  # fmt: skip


class Timing(NamedTuple):
    """One call of an engine."""

    seconds: float
    processor_seconds: float
    log_odds: list[float]


@dataclass
class Worker:
    """A process that scores."""

    process: subprocess.Popen[str]
    version: str = ""
    calls: list[Timing] = field(default_factory=list)

    def score(self, query: str, documents: list[str]) -> Timing:
        """Raises EOFError if the process has ended."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps([query, documents]) + "\n")
        self.process.stdin.flush()
        return Timing(*self.reply())

    def reply(self) -> Any:
        """The next line of its output."""
        assert self.process.stdout
        text = self.process.stdout.readline()
        if not text:
            raise EOFError(f"it ended with {self.process.wait()}, see its output")
        return json.loads(text)


def main() -> None:
    """Build the model and the environments, measure, write the table."""
    options = _options()
    with tempfile.TemporaryDirectory() as scratch:
        folder = build(options.size, Path(options.model or scratch), torch.bfloat16, options.layers)
        _classifier(folder)
        engines, failures = _started(folder, options)
        rows = [line(TITLES), line(["---"] * len(TITLES))]
        for case in options.cases:
            rows += _measured(engines, case, options.rounds)
        for engine in engines.values():
            engine.process.stdin.close()  # type: ignore[union-attr]
            engine.process.wait()
    about = {"command": f"python -m benchmarks.engines {shlex.join(sys.argv[1:])}",
             "layers": f"{options.layers or 'all'} of {SIZES[options.size][2]}"}  # fmt: skip
    about |= machine() | {"threads": str(options.threads)}
    about |= {name: engine.version for name, engine in engines.items()} | failures
    text = "\n".join([*(f"- {k}: {v}" for k, v in about.items()), "", *rows]) + "\n"
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{options.name}.md").write_text(text)
    print(text)


def _options() -> argparse.Namespace:
    names = [f"{engine.NAME} {setting}" for engine in ENGINES for setting in engine.SETTINGS]
    parser = cpu_parser(__doc__, "engines")
    parser.add_argument("--only", nargs="*", default=names, choices=names)
    return parser.parse_args()


def _classifier(folder: Path) -> None:
    """The form that optimum-intel converts."""
    target = folder / "classifier"
    if not target.is_dir():
        convert_to_classifier(folder, target, build_tokenizer(), 1)
        build_tokenizer_files(target)


def _started(folder: Path, options: argparse.Namespace) -> tuple[dict[str, Worker], dict[str, str]]:
    """Those that load, and why the others do not."""
    engines: dict[str, Worker] = {}
    failures: dict[str, str] = {}
    for module in ENGINES:
        for setting in module.SETTINGS:
            name = f"{module.NAME} {setting}"
            if name not in options.only and name != EXACT:
                continue
            try:
                engines[name] = _start(module, folder, setting, options.threads)
            except (EOFError, subprocess.CalledProcessError) as error:
                failures[name] = f"does not run here: {error}"
    if EXACT not in engines:
        raise SystemExit(f"{EXACT}: {failures[EXACT]}")
    return engines, failures


def _start(module: ModuleType, folder: Path, setting: str, threads: int) -> Worker:
    python = sys.executable
    if module is not ours:
        python = str(python_of(module.NAME, module.INSTALLS))
    command = [python, "-m", module.__name__, str(folder.absolute()), setting, str(threads)]
    pipe = subprocess.PIPE
    engine = Worker(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
    engine.version = str(engine.reply())
    return engine


def _measured(engines: dict[str, Worker], case: str, rounds: int) -> list[str]:
    kind, count = case.split(":")
    documents = texts.documents(kind, int(count))
    for engine in engines.values():
        engine.calls = []
    for number in range(rounds + 1):
        for name, engine in list(engines.items()):
            try:
                engine.calls.append(engine.score(texts.query(number), documents))
            except (EOFError, OSError) as error:
                print(f"{name} is left out from {case} on: {error}", file=sys.stderr)
                del engines[name]
    exact = engines[EXACT].calls[1:]  # the first one warms up
    return [_row(f"{count} x {kind}", name, engines[name].calls[1:], exact) for name in engines]


def _row(case: str, name: str, calls: list[Timing], exact: list[Timing]) -> str:
    pairs = list(zip(calls, exact, strict=True))
    cells = [
        median(call.seconds for call in calls),
        median(call.processor_seconds for call in calls),
        median(call.seconds / other.seconds for call, other in pairs),
        median(call.processor_seconds / other.processor_seconds for call, other in pairs),
        max(
            abs(a - b)
            for call, other in pairs
            for a, b in zip(call.log_odds, other.log_odds, strict=True)
        ),
    ]
    return line([case, name, *(f"{cell:.3g}" for cell in cells)])


if __name__ == "__main__":
    main()
