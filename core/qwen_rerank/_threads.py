"""Runs blocking calls for an event loop, hundreds at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

MAX_CALLS_IN_FLIGHT = 256


class CallPool:
    """Threads of its own, so that slow calls never starve the loop's default executor.

    Starting a thread waits until it runs, which takes long when many do. The event loop
    never waits for that: another thread starts them. A forked child, which inherits no
    threads, gets new ones.
    """

    def __init__(self) -> None:
        self._start_threads()

    async def run(self, call: Callable[[], T]) -> T:
        """The result of a call; one that is cancelled before it began is never made."""
        if self._process != os.getpid():
            self._start_threads()
        done: Future[T] = Future()
        self._starter.submit(_start, self._threads, done, call)
        return await asyncio.wrap_future(done)

    def _start_threads(self) -> None:
        self._process = os.getpid()
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="qwen-rerank-starter")
        self._threads = ThreadPoolExecutor(MAX_CALLS_IN_FLIGHT, thread_name_prefix="qwen-rerank")


def _start(threads: ThreadPoolExecutor, done: Future[Any], call: Callable[[], Any]) -> None:
    try:
        threads.submit(_run_into, done, call)
    except BaseException as error:  # no thread to be had: whoever awaits must learn of it
        done.set_exception(error)


def _run_into(done: Future[Any], call: Callable[[], Any]) -> None:
    if not done.set_running_or_notify_cancel():
        return
    try:
        done.set_result(call())
    except BaseException as error:  # it belongs to whoever awaits it
        done.set_exception(error)
