"""Lets requests that arrive together share calls of the model, without making any wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Executor

from qwen_rerank.server.job import Job, Question
from qwen_rerank.server.refusals import DeadlineError, OverloadedError, TooLargeError
from qwen_rerank.server.schedule import Part, Schedule
from qwen_rerank.server.scoring import Outcome, outcomes
from qwen_rerank.server.telemetry import Metrics
from qwen_rerank.server.throughput import Pace
from qwen_rerank.types import BatchScorer, Scores

SHARE_OF_DEADLINE = 1 / 3
"""How much of the deadline the work before a request and its own may take, by estimate.
The schedule answers within twice that time, which leaves a third for wrong estimates."""


class Batcher:
    """The queue before the model, and the loop that empties it.

    While the model works on one call, the next one gathers; nothing waits for company.
    A request enters with all of its documents or is refused. All methods belong to one
    event loop; the model works in a thread.

    Args:
        scorer: Scores; only ever called in `thread`.
        thread: An executor of one thread.
        max_queue: The most documents that may wait.
        metrics: Where to count.
    """

    def __init__(
        self, scorer: BatchScorer, thread: Executor, max_queue: int, metrics: Metrics
    ) -> None:
        self.pace = Pace()
        self.calling = False
        """Whether the model is at work."""
        self._scorer, self._thread = scorer, thread
        self._max_queue, self._metrics = max_queue, metrics
        self._schedule = Schedule()
        self._open: set[Job] = set()
        self._running_cost = 0
        self._since: float | None = None
        """When the last call ended, while more waits: reading and answering requests takes
        time between calls, which the pace has to know."""
        self._work_came = asyncio.Event()

    async def score(self, question: Question, seconds: float) -> Scores:
        """Scores within so many seconds.

        When the caller is cancelled, its waiting documents leave the queue.

        Raises:
            OverloadedError: Too much waits already.
            TooLargeError: The question alone takes longer.
            DeadlineError: The scores did not come in time.
        """
        loop = asyncio.get_running_loop()
        job = Job(question, loop.create_future(), loop.time() + seconds, loop.time())
        self._admit(job, seconds)
        self._open.add(job)
        self._schedule.add(job)
        self._work_came.set()
        self._gauge()
        try:
            return await asyncio.wait_for(job.answer, seconds)
        except TimeoutError:
            raise DeadlineError(f"no scores within {seconds:g} seconds") from None
        finally:
            self._open.discard(job)
            self._schedule.drop(job)
            self._gauge()

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            await self._work_came.wait()
            self._drop_late()
            parts = self._schedule.take(self.pace.budget())
            self._gauge()
            if parts:
                await self._call(parts)
            else:
                self._work_came.clear()
                self._since = None

    def fail_all(self, error: Exception) -> None:
        """Answer every request that is still open with this error."""
        for job in self._open:
            _fail(job, error)

    @property
    def waiting(self) -> int:
        """Documents that wait."""
        return self._schedule.documents

    def _admit(self, job: Job, seconds: float) -> None:
        count, own = len(job.costs), self.pace.seconds(sum(job.costs) + job.head_cost)
        if own > seconds:
            raise TooLargeError(
                f"{count} documents of this length take about {own:.0f} seconds here, and "
                f"{seconds:g} is the limit: send fewer at once"
            )
        before = self._schedule.cost + self._running_cost
        too_many = self._schedule.documents + count > self._max_queue
        too_late = self.pace.seconds(before) + own > seconds * SHARE_OF_DEADLINE
        if self._schedule.documents and (too_many or too_late):
            raise OverloadedError(
                f"{self._schedule.documents} documents wait, {count} more would come too late",
                self.pace.retry_after(before),
            )

    def _drop_late(self) -> None:
        now = asyncio.get_running_loop().time()
        for job in self._schedule.jobs():
            if job.deadline <= now:
                _fail(job, DeadlineError("no scores within the deadline"))
                self._schedule.drop(job)

    async def _call(self, parts: Sequence[Part]) -> None:
        loop = asyncio.get_running_loop()
        for part in parts:
            if not part.start:
                self._metrics.queue_wait.observe(loop.time() - part.job.arrived)
        self._running_cost = sum(part.cost for part in parts)
        start = time.perf_counter()
        since = self._since or start
        answers = await loop.run_in_executor(
            self._thread, self.ask, [part.question for part in parts]
        )
        self._since = time.perf_counter()
        self.pace.learn(self._running_cost, self._since - since)
        self._note(parts, self._since - start)
        self._running_cost = 0
        for part, answer in zip(parts, answers, strict=True):
            self._deliver(part.job, answer)

    def ask(self, questions: Sequence[Question]) -> list[Outcome]:
        """One call of the model, in whose thread this runs."""
        self.calling = True
        try:
            return outcomes(self._scorer, questions)
        finally:
            self.calling = False

    def _deliver(self, job: Job, answer: Outcome) -> None:
        if isinstance(answer, Exception):
            _fail(job, answer)
            self._schedule.drop(job)
        else:
            job.receive(answer)

    def _note(self, parts: Sequence[Part], seconds: float) -> None:
        self._metrics.inference.observe(seconds)
        self._metrics.batch_cost.observe(self._running_cost)
        self._metrics.batch_pairs.observe(sum(part.stop - part.start for part in parts))

    def _gauge(self) -> None:
        self._metrics.queue_items.set(self._schedule.documents)


def _fail(job: Job, error: Exception) -> None:
    if not job.answer.done():
        job.answer.set_exception(error)
