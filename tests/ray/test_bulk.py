"""Bulk jobs: every row once, with the scores of one process, whatever is killed meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from qwen_rerank import ConfigError, InvalidInputError, LocalScorer, ScorerUnavailableError
from qwen_rerank.ray.actors import Actors
from qwen_rerank.ray.columns import Columns
from qwen_rerank.ray.job import BulkJob
from qwen_rerank.ray.settings import BulkSettings
from tests.ray.machines import ROOT, Machines, actors, kill, wait_until
from tests.ray.slow_scorer import SlowScorer

pytestmark = pytest.mark.ray

DOCUMENTS = ["A refund takes five days.", "Cats purr.", "The law of averages.", "Time flies."]
ONE = Actors(1, num_cpus=1)


def row(number: int) -> dict[str, Any]:
    """A row with one to four documents."""
    documents = [f"{text} {number}" for text in DOCUMENTS[: 1 + number % 4]]
    return {"id": number, "query": f"How long does refund {number} take?", "documents": documents}


def write_lines(file: Path, rows: Sequence[Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def lines(folder: Path) -> list[dict[str, Any]]:
    files = sorted(folder.glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


def settings(**fields: Any) -> BulkSettings:
    return BulkSettings(**{"model": "builtin", "device": "cpu", **fields})


def truth(rows: Sequence[dict[str, Any]]) -> dict[int, list[float]]:
    """The scores of one process, by id."""
    scorer = LocalScorer("builtin", device="cpu")
    return {r["id"]: scorer.score(r["query"], r["documents"]) for r in rows}


def near(scores: Sequence[float]) -> Any:
    """Equal, as far as two batches of the model agree."""
    return pytest.approx(scores, abs=1e-5)


def test_every_row_once_after_a_dead_actor_and_an_interruption(
    machines: Machines, tmp_path: Path
) -> None:
    rows = [row(number) for number in range(240)]
    source, target = tmp_path / "in", tmp_path / "out"
    for part in range(4):
        write_lines(source / f"{part}.jsonl", rows[part::4])
    with command(machines, source, target) as first:
        wait_until(lambda: len(list(target.glob("*.jsonl"))) >= 2)
        first.send_signal(signal.SIGINT)
        assert first.wait(60) == 130
    assert 0 < len(lines(target)) < len(rows)
    with command(machines, source, target) as second:
        wait_until(lambda: bool(actors("LineReranker")))
        kill(actors("LineReranker")[0][0])
        assert second.wait(120) == 0
    found = {line["id"]: line for line in lines(target)}
    assert len(lines(target)) == len(rows)
    assert {number: line["scores"] for number, line in found.items()} == {
        number: near(scores) for number, scores in truth(rows).items()
    }
    assert all({"query", "documents", "rerank_row"} <= set(line) for line in found.values())


def command(machines: Machines, source: Path, target: Path) -> subprocess.Popen[bytes]:
    """`qwen-rerank bulk` on this cluster."""
    words = ["bulk", str(source), str(target), "--model", "builtin", "--device", "cpu"]
    few = ["--actors", "1", "--num-cpus", "1", "--rows-per-file", "15"]
    environment = {**os.environ, "RAY_ADDRESS": machines.address}
    return subprocess.Popen([sys.executable, "-m", "qwen_rerank", *words, *few], env=environment)


def test_rows_that_have_no_score_say_why(machines: Machines, tmp_path: Path) -> None:
    given: list[Any] = [
        {**row(0), "query": " "},
        {"id": 1, "documents": ["a"]},
        {**row(2), "documents": ["a", 7]},
        {**row(3), "query": "long " * 9000},
        {**row(4), "documents": "one text"},
        {**row(5), "documents": [], "extra": {"nested": [1, "x"]}},
        [1],
        row(7),
    ]
    write_lines(tmp_path / "in.jsonl", given)
    with (tmp_path / "in.jsonl").open("ab") as file:
        file.write(b"{not json}\n\n")
    job = BulkJob(str(tmp_path / "in.jsonl"), str(tmp_path / "out"), settings(), actors=ONE)
    report = job.run()
    assert (report.rows, report.unscored) == (9, 6)
    found = {int(line["rerank_row"].rpartition(":")[2]): line for line in lines(tmp_path / "out")}
    reasons = {place: line["rerank_error"] for place, line in found.items()}
    assert sorted(place for place, reason in reasons.items() if reason is None) == [5, 6, 8]
    for place, words in {1: "query", 2: "query", 3: "documents", 4: "room", 7: "object"}.items():
        assert words in str(reasons[place])
    assert "JSON" in str(reasons[9])
    assert isinstance(found[5]["score"], float)
    assert found[6] == {
        **given[5],
        "scores": [],
        "rerank_error": None,
        "rerank_row": found[6]["rerank_row"],
    }
    assert found[8]["scores"] == near(truth([row(7)])[7])


def test_parquet_gets_rankings(machines: Machines, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    rows = [row(number) for number in range(40)]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet")
    ranking = Columns(output="ranking", top_n=2)
    job = BulkJob(str(tmp_path / "in.parquet"), str(tmp_path / "out"), fake(), ranking, ONE, 20)
    assert (job.run().rows, job.run().rows) == (40, 40)
    found = parquet.read_table(tmp_path / "out").to_pylist()
    assert sorted(line["id"] for line in found) == list(range(40))
    for line in found:
        scores = SlowScorer().score(line["query"], line["documents"])
        wanted = sorted(enumerate(scores), key=lambda pair: -pair[1])[:2]
        assert [ranked["index"] for ranked in line["ranking"]] == [index for index, _ in wanted]
        assert [ranked["score"] for ranked in line["ranking"]] == near([s for _, s in wanted])


ONE_CORE = """
import multiprocessing, sys
from pathlib import Path
multiprocessing.cpu_count = lambda: 1
from tests.ray.test_bulk import ONE, BulkJob, fake, row, write_lines
folder = Path(sys.argv[1])
job = BulkJob(str(folder / "in"), str(folder / "out"), fake(), actors=ONE)
for part in range(2):
    write_lines(folder / "in" / f"{part}.jsonl", [row(part)])
    print(job.run().rows)
"""


def test_a_job_continues_on_a_machine_with_one_core(tmp_path: Path) -> None:
    """Ray Data wants a core for reading and one for skipping finished rows beside the actor's."""
    pytest.importorskip("ray", reason="Ray is not installed")
    alone = {"RAY_ADDRESS": "local", "RAY_USE_MULTIPROCESSING_CPU_COUNT": "1"}
    alone["PYTHONPATH"] = os.pathsep.join([str(ROOT / "core"), str(ROOT)])
    command = [sys.executable, "-c", ONE_CORE, str(tmp_path)]
    found = subprocess.check_output(command, env={**os.environ, **alone}, text=True, timeout=180)
    assert found.split() == ["1", "2"]


def test_more_actors_than_cores_are_warned_of(
    machines: Machines, caplog: pytest.LogCaptureFixture
) -> None:
    Actors(count=50, num_cpus=1).options()
    assert "may need 51 cores" in caplog.text


def test_a_dataset_of_pairs_gets_a_score_each(machines: Machines) -> None:
    import ray

    from qwen_rerank.ray import rerank_dataset

    pairs = [{"id": n, "question": "refund?", "text": text} for n, text in enumerate(DOCUMENTS)]
    pairs.append({"id": 4, "question": "refund?", "text": None})
    found = rerank_dataset(
        ray.data.from_items(pairs),
        query="question",
        documents="text",
        actors=1,
        num_cpus=1,
        model="builtin",
        device="cpu",
    ).take_all()
    scores = {line["id"]: line["score"] for line in found}
    wanted = LocalScorer("builtin", device="cpu").score("refund?", DOCUMENTS)
    assert [scores[n] for n in range(4)] == near(wanted)
    assert scores[4] is None
    assert [bool(line["rerank_error"]) for line in found if line["id"] == 4] == [True]


def test_what_can_not_work_is_said_before_any_work(machines: Machines, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    with pytest.raises(InvalidInputError, match="no file"):
        BulkJob(str(tmp_path / "nothing"), str(tmp_path / "out"), fake()).run()
    (tmp_path / "other.csv").touch()
    with pytest.raises(InvalidInputError, match="csv"):
        BulkJob(str(tmp_path / "other.csv"), str(tmp_path / "out"), fake()).run()
    parquet.write_table(pa.table({"q": ["a"]}), tmp_path / "in.parquet")
    with pytest.raises(InvalidInputError, match="no column 'query'"):
        BulkJob(str(tmp_path / "in.parquet"), str(tmp_path / "out"), fake()).run()
    with pytest.raises(ConfigError, match="top_n"):
        Columns(top_n=3)


def test_scores_of_two_jobs_never_mix(machines: Machines, tmp_path: Path) -> None:
    write_lines(tmp_path / "in.jsonl", [row(0)])
    source, target = str(tmp_path / "in.jsonl"), str(tmp_path / "out")
    BulkJob(source, target, fake(), actors=ONE).run()
    with pytest.raises(ConfigError, match="other settings"):
        BulkJob(source, target, fake(instruction="Find facts"), actors=ONE).run()
    with pytest.raises(ConfigError, match="holds files"):
        BulkJob(source, str(tmp_path), fake(), actors=ONE).run()


def test_an_outage_stops_the_job(machines: Machines, tmp_path: Path) -> None:
    write_lines(tmp_path / "in.jsonl", [row(0)])
    nobody = settings(base_url="http://127.0.0.1:9", max_retries=0)
    job = BulkJob(str(tmp_path / "in.jsonl"), str(tmp_path / "out"), nobody, actors=ONE)
    with pytest.raises(ScorerUnavailableError):
        job.run()


def fake(**fields: Any) -> BulkSettings:
    return BulkSettings(scorer=SlowScorer(), **fields)
