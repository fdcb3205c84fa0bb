"""OpenMP's threads: those that wait sleep early, and an idle thread keeps none."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from qwen_rerank.scorers.local.cpu import openmp

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="OpenMP threads are counted on Linux only"
)

BEGIN = """
import os, signal, sys, time, torch

torch.set_num_threads(4)

def work():
    torch.ones(2000, 2000).add_(1)

def threads():
    return len(os.listdir("/proc/self/task"))

"""


def unchosen() -> dict[str, str]:
    """The environment without what anybody has set for OpenMP."""
    kinds = ("OMP_", "GOMP_", "KMP_")
    return {name: value for name, value in os.environ.items() if not name.startswith(kinds)}


def run(model: Path, code: str) -> list[int]:
    """The numbers that a fresh process prints; what pytest did has left it no threads."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code, str(model)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=unchosen(),
    )
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


@pytest.mark.parametrize(
    ("chosen", "code", "expected"),
    [
        ({}, "import qwen_rerank, torch", "10000"),
        ({}, "import torch, qwen_rerank", "300000"),
        ({"OMP_WAIT_POLICY": "PASSIVE"}, "import qwen_rerank, torch", "0"),
        ({"GOMP_SPINCOUNT": "77"}, "import qwen_rerank, torch", "77"),
    ],
)
def test_waiting_threads_spin_briefly_unless_the_user_chose(
    chosen: dict[str, str], code: str, expected: str
) -> None:
    """As GNU's OpenMP itself reports when torch loads it."""
    environment = {**unchosen(), **chosen, "OMP_DISPLAY_ENV": "VERBOSE"}
    command = [sys.executable, "-c", code]
    report = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    if "GOMP_" not in report.stderr:
        pytest.skip("torch brings another OpenMP than GNU's")
    assert re.findall(r"GOMP_SPINCOUNT = '(\d+)'", report.stderr)[-1] == expected


@pytest.mark.skipif(
    not openmp.release_openmp_threads(torch.device("cpu")),
    reason="not GNU's OpenMP, or a kernel that does not say who was forked",
)
def test_no_caller_and_no_worker_keeps_a_team(tiny_model: Path) -> None:
    before, with_team, after, more, again, count = run(
        tiny_model,
        """
from qwen_rerank import LocalScorer

scorer = LocalScorer(sys.argv[1], device="cpu")

def score():
    scorer.score("words", ["some words " * 200] * 10)
    time.sleep(1)  # the device's thread ends its team behind the caller's back
    return threads()

before = score()
work()
with_team = threads()
after = score()
torch.set_num_threads(7)
more = score()
work()
print(before, with_team, after, more, threads(), torch.get_num_threads())
""",
    )
    assert with_team == before + 3
    assert after == before, "the caller's team is still there"
    assert more == before, "the worker's team is still there"
    assert (again, count) == (before + 6, 7), "the caller no longer gets the team it asked for"


@pytest.mark.parametrize("imported", ["before", "after"])
def test_a_forked_child_does_not_wait_for_its_parents_team(tiny_model: Path, imported: str) -> None:
    [ended] = run(
        tiny_model,
        f"""
if "{imported}" == "before":
    from qwen_rerank.scorers.local.cpu.openmp import release_openmp_threads
    release_openmp_threads(torch.device("cpu"))
work()
child = os.fork()
if child == 0:
    signal.alarm(60)
    from qwen_rerank import LocalScorer
    LocalScorer(sys.argv[1], device="cpu").score("words", ["some words"])
    os._exit(0)
print(os.waitpid(child, 0)[1])
""",
    )
    assert ended == 0


@pytest.mark.parametrize(
    ("stat", "own"),
    [
        (b"7 (python) S 1 7 7 0 -1 4194304 9 9", True),
        (b"7 (a) b) S 1 7 7 0 -1 4194304 9 9", True),
        (b"7 (a name cut in \xc3) S 1 7 7 0 -1 4194304 9 9", True),
        (b"7 (python) S 1 7 7 0 -1 4194368 9 9", False),
        (b"7 (python) S 1 7 7 0 -1 0 9 9", False),
        (b"", False),
        (None, False),
    ],
)
def test_only_a_process_that_runs_a_program_of_its_own_is_known_for_one(
    stat: bytes | None, own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if stat is not None:
        (tmp_path / "stat").write_bytes(stat)
    monkeypatch.setattr(openmp, "_STAT", tmp_path / "stat")
    assert openmp.is_original_process() == own
