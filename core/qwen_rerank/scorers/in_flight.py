"""Scores equal requests at the same time only once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from copy import copy
from functools import partial
from typing import Any, TypeVar

from qwen_rerank._threads import run_now_and_after_fork
from qwen_rerank.call import Call, current_call
from qwen_rerank.errors import DeadlineError, ScorerError
from qwen_rerank.types import Outcome

T = TypeVar("T")
Keys = tuple[bytes, ...]
"""What is equal for equal requests."""


class Flight(Future[Outcome]):
    """The outcome of a request that another thread scores, in a call of `size` requests."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def outcome(self, call: Call) -> Outcome | None:
        """Wait for the outcome; `None` if the other thread gave up.

        An error is a copy, for each thread may raise it.

        Args:
            call: Of the waiting thread.

        Raises:
            CancelledError: The call was cancelled.
            DeadlineError: The outcome did not come before the call must end.
        """
        left = None if call.ends is None else max(0.0, call.ends - time.monotonic())
        cancelled: Future[Any] = Future()
        with call.stopping(partial(cancelled.set_result, None)):
            wait([self, cancelled], left, FIRST_COMPLETED)
        if call.cancelled:
            raise CancelledError
        if not self.done():
            raise DeadlineError("no scores before the deadline")
        if self.cancelled():
            return None
        outcome = self.result()
        return copy(outcome) if isinstance(outcome, ScorerError) else outcome


Flights = dict[Keys, Flight]


class InFlight:
    """Shares outcomes between threads that need the same request at the same time."""

    def __init__(self) -> None:
        run_now_and_after_fork(self._reset)

    def outcomes(
        self,
        wanted: Mapping[Keys, T],
        score: Callable[[list[T]], Sequence[Outcome]],
    ) -> dict[Keys, Outcome]:
        """The outcome of each request.

        Args:
            wanted: The requests by their keys.
            score: Scores the requests that no other thread is scoring. An exception reaches this
                thread only; threads that wait for it then score their requests themselves.

        Raises:
            CancelledError: The call was cancelled while another thread was scoring.
            DeadlineError: The call's deadline passed while another thread was scoring.
        """
        found: dict[Keys, Outcome] = {}
        while missing := [keys for keys in wanted if keys not in found]:
            own, others = self._claim(missing)
            try:
                if own:
                    found.update(zip(own, score([wanted[keys] for keys in own]), strict=True))
            finally:
                self._finish(own, found)
            for keys, flight in others.items():
                outcome = flight.outcome(current_call())
                if outcome is not None:
                    found[keys] = outcome
        return found

    def _claim(self, missing: Sequence[Keys]) -> tuple[Flights, Flights]:
        """The requests that this thread has to score, and those that it can wait for.

        It never waits for a call with more requests than its own, which takes much longer.
        """
        with self._lock:
            running = {keys: self._running[keys] for keys in missing if keys in self._running}
            others = {keys: f for keys, f in running.items() if f.size <= len(missing)}
            size = len(missing) - len(others)
            own = {keys: Flight(size) for keys in missing if keys not in others}
            self._running |= own
        return own, others

    def _finish(self, own: Flights, found: Mapping[Keys, Outcome]) -> None:
        with self._lock:
            for keys, flight in own.items():
                if self._running.get(keys) is flight:  # a smaller call may have replaced it
                    del self._running[keys]
        for keys, flight in own.items():
            if keys in found:
                flight.set_result(found[keys])
            else:
                flight.cancel()
                flight.set_running_or_notify_cancel()  # wakes the threads in `wait`

    def _reset(self) -> None:
        """At the start, and in a forked child, which lacks the threads that were scoring."""
        self._lock, self._running = threading.Lock(), Flights()
