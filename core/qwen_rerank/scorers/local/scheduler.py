"""Decides which documents share a forward pass."""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, takewhile

from qwen_rerank.errors import DeadlineError
from qwen_rerank.scorers.local.batch import Prefix, Segment
from qwen_rerank.scorers.local.prefix_cache import PrefixCache
from qwen_rerank.scorers.local.queued_query import DocumentOdds, QueuedQuery
from qwen_rerank.throughput import Work

TURN_TOKENS = 512
"""The most tokens of one query's turn, unless a single document has more."""


@dataclass(eq=False, slots=True)
class Share:
    """One query's part of a batch."""

    query: QueuedQuery
    prefix: Segment
    """What is still to compute of the prefix; may be empty."""
    count: int = 0
    """How many of the waiting documents are in the batch."""

    @property
    def segments(self) -> list[Segment]:
        """The prefix, if there is anything to compute, and the documents."""
        stored, start = self.stored, len(self.query.encoded.prefix)
        documents = [Segment(ids, stored, start) for ids in self.query.waiting[: self.count]]
        return [self.prefix, *documents] if self.prefix.ids else documents

    @property
    def stored(self) -> Prefix | None:
        """The prefix that the documents attend to."""
        return self.prefix.stored_in if self.prefix.ids else self.prefix.prefix


@dataclass(eq=False, slots=True)
class ScheduledBatch:
    """The documents of one forward pass, query by query."""

    room: int
    """How many more tokens fit."""
    shares: dict[QueuedQuery, Share] = field(default_factory=dict)
    tokens: int = 0

    @property
    def segments(self) -> list[Segment]:
        """In the order of the row."""
        return [segment for share in self.shares.values() for segment in share.segments]

    @property
    def documents(self) -> int:
        """How many documents are scored, without the further windows of long ones."""
        return sum(share.count for query, share in self.shares.items() if query.encoded.counted)

    def admits(self, query: QueuedQuery) -> bool:
        """Whether a query may be in the batch beside those that are."""
        if not self.shares or query in self.shares:
            return True
        return not any(other.alone for other in (query, *self.shares))

    def take(self, share: Share) -> bool:
        """Add a query's next documents, for one turn; whether any fitted."""
        new = len(share.prefix.ids) if share.query not in self.shares else 0
        left = share.query.waiting[share.count :]
        count = _fitting(left, min(TURN_TOKENS, self.room - new))
        if not count and (not self.shares or len(left[0]) <= self.room - new):
            count = 1  # longer than a turn, or alone in its batch
        if count:
            self.shares[share.query] = share
            share.count += count
            used = new + sum(map(len, left[:count]))
            self.tokens, self.room = self.tokens + used, self.room - used
        return count > 0


class Scheduler:
    """The queue of one model. Not thread-safe: the engine holds a lock around each call.

    Turns go alternately to the oldest query and to the next one of a round through all. So a
    small query never waits for a large one to end, and the oldest one always gets half of the
    device: it ends at the latest after twice the time that the work before it and its own take.
    """

    def __init__(self) -> None:
        self._queue: list[QueuedQuery] = []
        self._round: deque[QueuedQuery] = deque()
        self._oldest_is_next = True
        self._prefixes = PrefixCache()

    @property
    def work(self) -> Work:
        """All that waits."""
        return sum((query.work for query in self._queue), Work())

    def add(self, query: QueuedQuery) -> None:
        """Queue a query; without documents it is done."""
        if not query.left:
            query.result.set_result([])
            return
        self._queue.append(query)
        self._round.appendleft(query)  # its first turn comes next

    def cancel(self, query: QueuedQuery) -> None:
        """Remove a query, whatever is done of it."""
        query.result.cancel()
        self._remove_ended()

    def schedule(self, budget: int) -> ScheduledBatch:
        """The next batch: waiting documents of up to `budget` tokens, or one longer document."""
        self._remove_ended()
        batch, latest = ScheduledBatch(budget), self._prefixes.latest
        while (query := self._next(batch)) and batch.admits(query):
            share = batch.shares.get(query)
            if share is None:
                share = Share(query, self._prefixes.segment(query.encoded.prefix, latest))
            if not batch.take(share):
                break
            self._end_turn(query)
            latest = share.stored
        return batch

    def complete(self, batch: ScheduledBatch, odds: Sequence[DocumentOdds] | Exception) -> None:
        """Note what a forward pass gave: the odds of its documents in order, or an error.

        The queries of a batch that failed are tried again one by one, so that only those fail
        that can't be scored.
        """
        if not isinstance(odds, Exception):
            self._note(batch, odds)
        elif len(batch.shares) == 1:
            next(iter(batch.shares)).fail(odds)
        else:
            for query in batch.shares:
                query.alone = True
        self._remove_ended()

    def fail(self, error: BaseException) -> None:
        """End every query with this error, each with a copy of its own."""
        for query in self._queue:
            query.fail(_copied(error))

    def _note(self, batch: ScheduledBatch, odds: Sequence[DocumentOdds]) -> None:
        first = 0
        for share in batch.shares.values():
            share.query.alone = False
            share.query.add(odds[first : first + share.count])
            first += share.count
            if share.prefix.stored_in is not None:
                self._prefixes.add(share.prefix.stored_in)

    def _next(self, batch: ScheduledBatch) -> QueuedQuery | None:
        """Whose turn it is, among the queries with documents that are not in the batch."""

        def is_left(query: QueuedQuery) -> bool:
            share = batch.shares.get(query)
            return share is None or share.count < query.left

        turns = self._queue if self._oldest_is_next else self._round
        return next(filter(is_left, turns), None)

    def _end_turn(self, query: QueuedQuery) -> None:
        """A turn that did not fit is not over: it comes first in the next batch."""
        if not self._oldest_is_next:
            self._round.remove(query)
            self._round.append(query)
        self._oldest_is_next = not self._oldest_is_next

    def _remove_ended(self) -> None:
        """Remove the queries that are done, and those that are too late."""
        now = time.monotonic()
        for query in self._queue:
            if query.call.ends is not None and query.call.ends <= now:
                query.fail(DeadlineError("no scores before the deadline"))
        self._queue = [query for query in self._queue if not query.result.done()]
        self._round = deque(query for query in self._round if not query.result.done())
        if not self._queue:
            self._prefixes.shrink()


def _copied(error: BaseException) -> BaseException:
    """The error for one more caller: each raises it in a thread of its own, with its frames."""
    try:
        own = copy.copy(error)
    except Exception:  # its class takes other arguments than it keeps
        return error
    own.__cause__ = error
    return own


def _fitting(documents: Sequence[Sequence[int]], room: int) -> int:
    """How many of the first documents fit into `room` tokens."""
    totals = accumulate(map(len, documents))
    return sum(1 for _ in takewhile(room.__ge__, totals))
