"""Asks once for what several want at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Generic, TypeVar

from qwen_rerank._threads import reset_after_fork

T = TypeVar("T")


class Flight(Future[T]):
    """An answer that is on its way, together with so many others."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size


Flights = dict[bytes, Flight[T]]


class SingleFlight(Generic[T]):
    """Shares the answers to equal questions between the threads that ask them at once.

    Nobody waits for a call that asks for more than he does: a single question is answered
    long before a thousand are.
    """

    def __init__(self) -> None:
        self._reset()
        reset_after_fork(self._reset)

    def answers(
        self, keys: Iterable[bytes], ask: Callable[[list[bytes]], Sequence[T]]
    ) -> dict[bytes, T]:
        """The answer for each key.

        Args:
            keys: Equal for equal questions.
            ask: Gets the keys that it does not wait for, gives an answer for each.
                What it raises is raised to this caller alone; whoever waited asks for itself.
        """
        wanted, found = dict.fromkeys(keys), dict[bytes, T]()
        while missing := [key for key in wanted if key not in found]:
            mine: Flights[T] = {}
            try:
                others = self._claim(missing, mine)
                found |= _ask(mine, ask)
            finally:
                self._give_back(mine)
            found |= _wait_for(others)
        return found

    def _reset(self) -> None:
        """At the start, and in a forked child, which lacks the threads that were asking."""
        self._lock = threading.Lock()
        self._running: Flights[T] = {}

    def _claim(self, keys: Sequence[bytes], mine: Flights[T]) -> Flights[T]:
        """Announce what nobody asks for as mine; gives what others are asking for."""
        with self._lock:
            running = {key: self._running[key] for key in keys if key in self._running}
            others = {key: one for key, one in running.items() if one.size <= len(keys)}
            size = len(keys) - len(others)
            mine |= {key: Flight(size) for key in keys if key not in others}
            self._running |= mine
        return others

    def _give_back(self, mine: Flights[T]) -> None:
        with self._lock:
            for key, flight in mine.items():
                if self._running.get(key) is flight:  # else a smaller call has overtaken it
                    del self._running[key]
        for future in mine.values():
            future.cancel()  # which does nothing to one that has its answer


def _ask(mine: Flights[T], ask: Callable[[list[bytes]], Sequence[T]]) -> dict[bytes, T]:
    answers = dict(zip(mine, ask(list(mine)), strict=True)) if mine else {}
    for key, answer in answers.items():
        mine[key].set_result(answer)
    return answers


def _wait_for(others: Flights[T]) -> dict[bytes, T]:
    """What the others found; some may have given up."""
    found = {}
    for key, future in others.items():
        with suppress(CancelledError):
            found[key] = future.result()
    return found
