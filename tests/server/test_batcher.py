"""The queue: sharing, refusing, giving up, and what one request's failure does to others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import pytest_asyncio

from qwen_rerank.errors import BadScoresError, InvalidInputError, ScorerUnavailableError
from qwen_rerank.server.batcher import Batcher
from qwen_rerank.server.job import Question
from qwen_rerank.server.refusals import DeadlineError, OverloadedError, TooLargeError
from qwen_rerank.server.telemetry import Metrics
from qwen_rerank.testing import FakeScorer
from qwen_rerank.types import Scorer, Scores
from tests.server.running import PATIENCE, ManyFake, wait_until


class Queue:
    """A batcher at work, with a gate before its model."""

    def __init__(self, scorer: Scorer, thread: ThreadPoolExecutor) -> None:
        self.metrics = Metrics()
        self.batcher = Batcher(scorer, thread, 100, self.metrics)

    def ask(self, query: str, count: int = 1, seconds: float = PATIENCE) -> asyncio.Task[Scores]:
        documents = [f"{query} {number}" for number in range(count)]
        return asyncio.create_task(self.batcher.score(Question(query, documents), seconds))


@pytest.fixture
def fake() -> ManyFake:
    return ManyFake()


@pytest_asyncio.fixture
async def queue(fake: ManyFake) -> AsyncIterator[Queue]:
    with ThreadPoolExecutor(1) as thread:
        queue = Queue(fake, thread)
        running = asyncio.create_task(queue.batcher.run())
        yield queue
        fake.gate.set()
        running.cancel()


async def behind_a_call(queue: Queue, fake: ManyFake) -> asyncio.Task[Scores]:
    """The model is at work on one document, and stays so while the gate is closed."""
    fake.gate.clear()
    first = queue.ask("first")
    await asyncio.to_thread(wait_until, lambda: bool(fake.calls))
    return first


async def test_what_arrives_together_shares_a_call(queue: Queue, fake: ManyFake) -> None:
    first = await behind_a_call(queue, fake)
    others = [queue.ask(f"q{number}", 3) for number in range(8)]
    await asyncio.sleep(0)
    fake.gate.set()
    answers = await asyncio.gather(first, *others)
    assert [len(answer) for answer in answers] == [1] + [3] * 8
    assert [len(call) for call in fake.calls] == [1, 8]
    assert queue.batcher.waiting == 0


async def test_one_request_alone_does_not_wait(queue: Queue, fake: ManyFake) -> None:
    assert list(await queue.ask("a b")) == [1.0]
    assert len(fake.calls) == 1


async def test_answers_go_to_those_who_asked(queue: Queue, fake: ManyFake) -> None:
    first = await behind_a_call(queue, fake)
    wanted = {
        f"q{n}": [f"q{n}" if place % 2 else "other" for place in range(n)] for n in range(1, 30)
    }
    tasks = {
        query: asyncio.create_task(queue.batcher.score(Question(query, documents), PATIENCE))
        for query, documents in list(wanted.items())[:12]
    }
    fake.gate.set()
    await first
    for query, task in tasks.items():
        assert list(await task) == [float(text == query) for text in wanted[query]]


async def test_a_full_queue_refuses_all_of_a_request(queue: Queue, fake: ManyFake) -> None:
    first = await behind_a_call(queue, fake)
    waits = queue.ask("waits", 60)
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError, match="60 documents wait") as refused:
        await queue.ask("refused", 41)
    assert 1 <= refused.value.retry_after <= 60
    assert queue.batcher.waiting == 60
    fits = queue.ask("fits", 40)
    fake.gate.set()
    await asyncio.gather(first, waits, fits)
    assert fake.asked("refused") == 0


async def test_work_that_would_come_too_late_is_refused(queue: Queue, fake: ManyFake) -> None:
    queue.batcher.pace.learn(1_000, 10.0)  # a slow model
    with pytest.raises(TooLargeError, match="send fewer"):
        await queue.ask("alone too much", 50, seconds=5)
    first = await behind_a_call(queue, fake)
    waits = queue.ask("waits", 30)
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError, match="too late"):
        await queue.ask("late", 1, seconds=10)
    fake.gate.set()
    await asyncio.gather(first, waits)


async def test_after_the_deadline_nothing_is_computed(queue: Queue, fake: ManyFake) -> None:
    first = await behind_a_call(queue, fake)
    with pytest.raises(DeadlineError):
        await queue.ask("late", 5, seconds=0.02)
    assert queue.batcher.waiting == 0
    fake.gate.set()
    await first
    await queue.ask("next")
    assert fake.asked("late") == 0


async def test_who_leaves_frees_their_place(queue: Queue, fake: ManyFake) -> None:
    first = await behind_a_call(queue, fake)
    leaving = [queue.ask(f"leaving {number}", 3) for number in range(30)]
    await asyncio.sleep(0)
    assert queue.batcher.waiting == 90
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    assert queue.batcher.waiting == 0
    assert queue.metrics.registry.get_sample_value("rerank_queue_items") == 0
    fake.gate.set()
    await first
    assert await queue.ask("next") == [1.0]
    assert not any(fake.asked(f"leaving {number}") for number in range(30))


async def test_one_bad_query_does_not_spoil_the_call(queue: Queue, fake: ManyFake) -> None:
    fake.fails = lambda query: InvalidInputError("too long") if query == "bad" else None
    first = await behind_a_call(queue, fake)
    tasks = [queue.ask(query, 2) for query in ("good", "bad", "fine")]
    await asyncio.sleep(0)
    fake.gate.set()
    answers = await asyncio.gather(first, *tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Scores, Scores, InvalidInputError, Scores]


async def test_a_failing_scorer_fails_all_of_a_call_once(queue: Queue, fake: ManyFake) -> None:
    fake.fails = lambda query: ScorerUnavailableError("gone") if query != "first" else None
    first = await behind_a_call(queue, fake)
    tasks = [queue.ask(f"q{number}") for number in range(5)]
    await asyncio.sleep(0)
    fake.gate.set()
    answers = await asyncio.gather(first, *tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Scores] + [ScorerUnavailableError] * 5
    assert len(fake.calls) == 2


async def test_a_plain_scorer_and_a_wrong_number_of_scores() -> None:
    class Short(FakeScorer):
        def score(self, query, documents, *, instruction=None):  # type: ignore[no-untyped-def]
            return super().score(query, documents, instruction=instruction)[:1]

    with ThreadPoolExecutor(1) as thread:
        queue = Queue(Short(), thread)
        running = asyncio.create_task(queue.batcher.run())
        assert list(await queue.ask("one")) == [1.0]
        with pytest.raises(BadScoresError, match="wanted 2 scores"):
            await queue.ask("two", 2)
        running.cancel()
