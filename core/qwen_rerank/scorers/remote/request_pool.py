"""Sends the requests of one call at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from itertools import islice
from typing import TypeVar

from qwen_rerank._threads import run_now_and_after_fork
from qwen_rerank.call import current_call

T = TypeVar("T")
R = TypeVar("R")

REQUESTS_PER_CALL = 8
"""The most requests of one call under way at once. The others wait in the call, not in the
pool, so that a call with thousands of them does not delay the next call."""
MAX_THREADS = 64


class RequestPool:
    """The threads of one scorer, for all of its calls. Thread-safe.

    `Executor.map` would put all requests of a call before those of the next call.
    """

    def __init__(self) -> None:
        run_now_and_after_fork(self._reset)

    def map(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """The result of each item, in their order; a single one is worked on right here.

        When an item raises, or the call is cancelled, the work on the others is cancelled.
        """
        if len(items) < 2:
            return [work(item) for item in items]
        parent = current_call()
        child = parent.child()
        with parent.stopping(child.cancel), child.active():
            try:
                return self._map(work, items)
            except BaseException:
                child.cancel()
                raise

    def _map(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        waiting, running = iter(enumerate(items)), dict[Future[R], int]()
        results: dict[int, R] = {}
        try:
            while len(results) < len(items):
                for place, item in islice(waiting, REQUESTS_PER_CALL - len(running)):
                    running[self._start(work, item)] = place
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    results[running.pop(done)] = done.result()
        finally:
            for future in running:
                future.cancel()
        return [results[place] for place in range(len(items))]

    def _start(self, work: Callable[[T], R], item: T) -> Future[R]:
        try:
            return self._threads.submit(copy_context().run, work, item)
        except RuntimeError:  # no further thread to be had, as after the main thread's end
            done: Future[R] = Future()
            done.set_result(work(item))
            return done

    def _reset(self) -> None:
        """At the start, and in a forked child, which lacks its parent's threads."""
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="qwen-rerank-requests")
