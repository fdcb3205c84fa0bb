"""Chooses which documents the model gets next."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from qwen_rerank.server.job import Job, Question

TURN = 2_000
"""The cost that a job may take in one turn: about one pack of 512 tokens."""


@dataclass(slots=True)
class Part:
    """Neighbouring documents of one job that go into one call."""

    job: Job
    start: int
    stop: int

    @property
    def question(self) -> Question:
        """The job's question for these documents only."""
        asked = self.job.question
        return Question(asked.query, asked.documents[self.start : self.stop], asked.instruction)

    @property
    def cost(self) -> int:
        """What the model pays for this part."""
        return self.job.head_cost + sum(self.job.costs[self.start : self.stop])


class Schedule:
    """Jobs that wait, served by two rules in turn.

    Every other turn goes to the oldest job, the rest go round among all jobs. So a small
    request never waits for a huge one to end, and the oldest one always gets half of the
    model: it is done at the latest in twice the time that the work before it and its own
    take, however many come after it.
    """

    def __init__(self) -> None:
        self._oldest: deque[Job] = deque()
        self._round: deque[Job] = deque()
        self.documents = 0
        """Documents that wait."""
        self.cost = 0
        """Their cost."""

    def add(self, job: Job) -> None:
        """Let a job wait for its turns."""
        self._oldest.append(job)
        self._round.appendleft(job)  # its first turn comes next: it has had none
        self._count(len(job.costs), sum(job.costs))

    def drop(self, job: Job) -> None:
        """Forget what a job still waits for."""
        self._count(-job.waiting, -sum(job.costs[job.taken :]))
        job.taken = len(job.costs)

    def jobs(self) -> list[Job]:
        """The jobs with waiting documents, oldest first."""
        return [job for job in self._oldest if job.waiting]

    def take(self, budget: int) -> list[Part]:
        """The next call's documents: at least one turn if any wait, and about `budget`."""
        parts: dict[Job, Part] = {}
        for job in self._turns():
            start = job.taken
            budget -= self._advance(job)
            parts.setdefault(job, Part(job, start, start)).stop = job.taken
            if budget <= 0:
                break
        return list(parts.values())

    def _turns(self) -> Iterator[Job]:
        while self._oldest:
            if self._oldest[0].waiting:
                yield self._oldest[0]
            else:
                self._oldest.popleft()
            if self._round and self._round[0].waiting:
                yield self._round[0]
                self._round.rotate(-1)
            elif self._round:
                self._round.popleft()

    def _advance(self, job: Job) -> int:
        """Give a job one turn; returns the cost."""
        first, spent = job.taken, 0
        while job.waiting and (not spent or spent + job.costs[job.taken] <= TURN):
            spent += job.costs[job.taken]
            job.taken += 1
        self._count(first - job.taken, -spent)
        return spent

    def _count(self, documents: int, cost: int) -> None:
        self.documents += documents
        self.cost += cost
