"""Fairness, without a model: which documents share the next forward pass."""

from __future__ import annotations

import time
from concurrent.futures import CancelledError

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qwen_rerank.call import Call
from qwen_rerank.errors import DeadlineError, OverloadedError, RequestTooLargeError
from qwen_rerank.scorers.local.encoder import EncodedQuery
from qwen_rerank.scorers.local.queued_query import QueuedQuery
from qwen_rerank.scorers.local.scheduler import ScheduledBatch, Scheduler
from qwen_rerank.throughput import Throughput, Work

LENGTH = 250  # two such documents make a turn
BUDGET = 4000
PREFIX = 20


def query(name: int, count: int, length: int = LENGTH, call: Call | None = None) -> QueuedQuery:
    prefix = [name] * PREFIX
    return QueuedQuery(EncodedQuery(prefix, [[7] * length] * count, frozenset()), call or Call())


def run(scheduler: Scheduler, budget: int = BUDGET) -> ScheduledBatch:
    """Schedule a batch and complete it."""
    batch = scheduler.schedule(budget)
    complete(scheduler, batch)
    return batch


def complete(scheduler: Scheduler, batch: ScheduledBatch) -> None:
    for share in batch.shares.values():
        if share.prefix.stored_in is not None:
            share.prefix.stored_in.states = torch.zeros(1, 2, PREFIX, 1, 1)
    scheduler.complete(batch, [0.5] * batch.documents)


def test_small_queries_overtake_a_large_one() -> None:
    scheduler = Scheduler()
    scheduler.add(query(1, 1000))
    run(scheduler)
    small = [query(10 + number, 2) for number in range(3)]
    for one in small:
        scheduler.add(one)
    run(scheduler)
    assert all(one.result.done() for one in small)


@pytest.mark.parametrize("budget", [512, 768, 1536])
@pytest.mark.parametrize(("long", "short"), [(100, 300), (250, 300), (700, 100), (100, 1100)])
def test_a_document_that_does_not_fit_comes_first_in_the_next_batch(
    budget: int, long: int, short: int
) -> None:
    scheduler, small = Scheduler(), query(2, 1, short)
    scheduler.add(query(1, 200, long))
    run(scheduler, budget)
    scheduler.add(small)
    for _ in range(3):
        run(scheduler, budget)
    assert small.result.done()


def test_the_oldest_query_gets_half_however_many_come() -> None:
    scheduler = Scheduler()
    oldest = query(1, 100)
    scheduler.add(oldest)
    batches = 0
    while not oldest.result.done():
        for number in range(20):
            scheduler.add(query(100 + number, 2))
        run(scheduler)
        batches += 1
    alone = 100 * LENGTH / BUDGET
    assert batches <= 2 * alone + 2


def test_the_documents_of_a_query_stand_together_behind_one_prefix() -> None:
    scheduler = Scheduler()
    scheduler.add(query(1, 9, 100))
    scheduler.add(query(2, 9, 100))
    segments = scheduler.schedule(BUDGET).segments
    assert [len(segment.ids) for segment in segments] == [PREFIX, *[100] * 9] * 2
    assert [segment.stored_in is not None for segment in segments] == [True, *[False] * 9] * 2
    assert len({id(segment.prefix) for segment in segments[1:10]}) == 1


def test_a_prefix_is_computed_once_while_its_query_waits() -> None:
    scheduler = Scheduler()
    scheduler.add(query(1, 30))
    prefixes = [len(batch.segments[0].ids) for batch in [run(scheduler, 600), run(scheduler, 600)]]
    assert prefixes == [PREFIX, LENGTH]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 700)), max_size=12), st.data())
def test_every_document_is_scored_once_or_cancelled(
    sizes: list[tuple[int, int]], data: st.DataObject
) -> None:
    scheduler = Scheduler()
    queries = [query(name, count, length) for name, (count, length) in enumerate(sizes)]
    for place, one in enumerate(queries):
        scheduler.add(one)
        if data.draw(st.booleans()):
            scheduler.cancel(data.draw(st.sampled_from(queries[: place + 1])))
        budget = data.draw(st.integers(1, 3000))
        batch = run(scheduler, budget)
        longest = max((len(ids) for q in batch.shares for ids in q.encoded.documents), default=0)
        assert batch.tokens <= max(budget, PREFIX + longest)
    while run(scheduler).shares:
        pass
    assert scheduler.work == Work()
    for one in queries:
        if not one.result.cancelled():
            odds = one.result.result(0)
            assert isinstance(odds, list)
            assert len(odds) == len(one.encoded.documents)


def test_an_error_ends_the_queries_of_its_batch_only() -> None:
    scheduler = Scheduler()
    first, second = query(1, 2), query(2, 2)
    scheduler.add(first)
    batch = scheduler.schedule(BUDGET)
    scheduler.add(second)
    scheduler.complete(batch, RuntimeError("broken"))
    run(scheduler)
    assert second.result.result(0) == [0.5, 0.5]
    with pytest.raises(RuntimeError, match="broken"):
        first.result.result(0)


def test_a_query_past_its_deadline_is_not_scored() -> None:
    scheduler = Scheduler()
    late = query(1, 2, call=Call(ends=time.monotonic() - 1))
    scheduler.add(late)
    assert not scheduler.schedule(BUDGET).shares
    with pytest.raises(DeadlineError):
        late.result.result(0)


def test_a_cancelled_query_leaves_the_queue() -> None:
    scheduler = Scheduler()
    gone = query(1, 2)
    scheduler.add(gone)
    scheduler.cancel(gone)
    assert not scheduler.schedule(BUDGET).shares
    with pytest.raises(CancelledError):
        gone.result.result(0)


def test_requests_that_would_come_too_late_are_refused() -> None:
    throughput, queue = Throughput(), Work(30, 7500)
    throughput.learn(10, 60.0)  # the first batch, in which a model warms up
    throughput.learn(1000, 1.0)  # about 1,000 tokens a second
    with pytest.raises(RequestTooLargeError, match="send fewer at once"):
        throughput.check(Work(200, 50_000), Work(), limit=30, left=30)
    throughput.check(Work(4, 1000), queue, limit=30, left=30)
    with pytest.raises(OverloadedError, match="30 documents wait") as refused:
        throughput.check(Work(20, 5000), queue, limit=30, left=30)
    assert 5 <= refused.value.retry_after <= 10
    with pytest.raises(OverloadedError):  # it is not too large: it has waited too long
        throughput.check(Work(4, 1000), Work(), limit=30, left=0.5)


def test_a_scheduler_knows_its_work() -> None:
    scheduler = Scheduler()
    scheduler.add(query(2, 30))
    scheduler.add(query(3, 0))
    assert scheduler.work == Work(30, 30 * LENGTH + PREFIX)


def test_throughput_follows_the_latest_batches() -> None:
    throughput = Throughput()
    assert throughput.seconds(10**9) == 0
    for speed in (10.0, 1.0):
        for _ in range(50):
            throughput.learn(950, speed)
    assert throughput.seconds(1000) == pytest.approx(1.0, rel=0.1)


def test_a_failed_batch_costs_only_the_query_that_can_not_be_scored() -> None:
    """The others are scored in batches of their own."""
    scheduler = Scheduler()
    good, bad, late = (query(name, 5) for name in (1, 2, 3))
    for one in (good, bad, late):
        scheduler.add(one)
    failed = 0
    while not all(one.result.done() for one in (good, bad, late)):
        batch = scheduler.schedule(BUDGET)
        if bad in batch.shares:
            failed += 1
            scheduler.complete(batch, RuntimeError("broken"))
        else:
            complete(scheduler, batch)
    assert good.result.result() == late.result.result() == [0.5] * 5
    assert str(bad.result.exception()) == "broken"
    assert failed == 2, "once with others, once alone"


def test_queries_share_batches_again_after_a_failed_one() -> None:
    scheduler = Scheduler()
    queries = [query(name, 40) for name in (1, 2)]
    for one in queries:
        scheduler.add(one)
    scheduler.complete(scheduler.schedule(BUDGET), RuntimeError("broken"))
    sizes = [len(run(scheduler).shares) for _ in range(4)]
    assert sizes[:2] == [1, 1]
    assert 2 in sizes[2:]


def test_each_query_ends_with_an_error_of_its_own() -> None:
    """Each caller raises it in a thread of its own, which adds frames to it."""
    scheduler, queries = Scheduler(), [query(name, 1) for name in (1, 2, 3)]
    for one in queries:
        scheduler.add(one)
    error = RuntimeError("the thread ended")
    scheduler.fail(error)
    errors = [one.result.exception() for one in queries]
    assert len({id(own) for own in errors}) == 3
    assert {str(own) for own in errors} == {"the thread ended"}
    assert all(own is not None and own.__cause__ is error for own in errors)
