"""Runs blocking calls for an event loop, hundreds at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

MAX_CALLS_IN_FLIGHT = 256


class CallPool:
    """Threads of its own, so that slow calls never starve the loop's default executor.

    Starting a thread waits until it runs, which takes long when many do. The event loop
    never waits for that: another thread starts them.
    """

    def __init__(self) -> None:
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="qwen-rerank-starter")
        self._threads = ThreadPoolExecutor(MAX_CALLS_IN_FLIGHT, thread_name_prefix="qwen-rerank")

    async def run(self, call: Callable[[], T]) -> T:
        """The result of a call; one that is cancelled before it began is never made."""
        done: Future[T] = Future()
        self._starter.submit(self._threads.submit, _run_into, done, call)
        return await asyncio.wrap_future(done)


def _run_into(done: Future[Any], call: Callable[[], Any]) -> None:
    if not done.set_running_or_notify_cancel():
        return
    try:
        done.set_result(call())
    except BaseException as error:  # it belongs to whoever awaits it
        done.set_exception(error)
