"""Fairness, without a server: which documents the model gets next."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from qwen_rerank.server.job import Job, Question
from qwen_rerank.server.schedule import TURN, Schedule
from qwen_rerank.server.throughput import LEAST, MOST, Pace

LENGTH = 960  # two such documents and their prompts make a turn


def job(name: str, count: int, length: int = LENGTH) -> Job:
    loop = asyncio.new_event_loop()
    try:
        question = Question(name, ["x" * length] * count)
        return Job(question, loop.create_future(), deadline=0.0, arrived=0.0)
    finally:
        loop.close()


def test_small_requests_pass_a_huge_one() -> None:
    schedule = Schedule()
    schedule.add(job("huge", 1000))
    schedule.take(10 * TURN)
    for number in range(5):
        schedule.add(job(f"small {number}", 2))
    parts = schedule.take(10 * TURN)
    done = {part.job.question.query for part in parts if not part.job.waiting}
    assert done == {f"small {number}" for number in range(5)}


def test_the_oldest_gets_half_however_many_come() -> None:
    schedule = Schedule()
    oldest = job("huge", 100)
    schedule.add(oldest)
    calls = 0
    while oldest.waiting:
        for _ in range(20):
            schedule.add(job("new", 2))
        schedule.take(10 * TURN)
        calls += 1
    alone = 100 * (LENGTH + 40) / (10 * TURN)
    assert calls <= 2 * alone + 1


def test_one_job_gets_one_part_of_neighbours() -> None:
    schedule = Schedule()
    schedule.add(job("a", 9))
    schedule.add(job("b", 9))
    parts = schedule.take(8 * TURN)
    assert len(parts) == 2
    first = {part.job.question.query: (part.start, part.stop) for part in parts}
    assert {start for start, _ in first.values()} == {0}
    assert all(len(part.question.documents) == part.stop - part.start for part in parts)


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 3000)), max_size=12), st.data())
def test_every_document_is_taken_once_or_dropped(
    sizes: list[tuple[int, int]], data: st.DataObject
) -> None:
    schedule = Schedule()
    jobs = [job(str(i), count, length) for i, (count, length) in enumerate(sizes)]
    taken = dict.fromkeys(jobs, 0)
    for one in jobs:
        schedule.add(one)
        if data.draw(st.booleans()):
            schedule.drop(data.draw(st.sampled_from(jobs[: jobs.index(one) + 1])))
        for part in schedule.take(data.draw(st.integers(1, 5 * TURN))):
            assert part.start == taken[part.job]
            taken[part.job] = part.stop
    while parts := schedule.take(TURN):
        for part in parts:
            assert part.start == taken[part.job]
            taken[part.job] = part.stop
    assert (schedule.documents, schedule.cost) == (0, 0)


def test_pace_learns_and_stays_in_bounds() -> None:
    pace = Pace()
    assert (pace.seconds(10**9), pace.budget()) == (0.0, LEAST)
    for _ in range(50):
        pace.learn(98_000, 1.0)
    assert 0.9 < pace.seconds(100_000) < 1.1
    assert LEAST < pace.budget() < MOST
    assert pace.retry_after(350_000) == 4
    assert (pace.retry_after(0), pace.retry_after(10**9)) == (1, 60)
