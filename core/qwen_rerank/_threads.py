"""Threads, and what happens to them in a forked child."""

from __future__ import annotations

import asyncio
import inspect
import os
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

MAX_CALLS_IN_FLIGHT = 256

_functions: list[Callable[[], object]] = []
_methods: dict[int, tuple[weakref.ref[Any], Callable[[Any], object]]] = {}


def run_now_and_after_fork(reset: Callable[[], object]) -> None:
    """Call a function, and again in each forked child before any other code runs there.

    A child inherits the memory of its parent, but only the thread that forked. A lock that
    another thread held stays locked in the child for ever, so its owner needs a new one there.
    At a fork nothing runs in the parent, which never waits.

    Args:
        reset: Must not raise. A bound method does not keep its object alive.
    """
    reset()
    if inspect.ismethod(reset):
        # not a WeakMethod, whose own callback fails when the interpreter ends
        owner = weakref.ref(reset.__self__, lambda dead: _methods.pop(id(dead), None))
        _methods[id(owner)] = owner, reset.__func__
    else:
        _functions.append(reset)


def _reset_all() -> None:
    for function in _functions:
        function()
    for find, method in list(_methods.values()):
        owner = find()
        if owner is not None:
            method(owner)


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_reset_all)


class CallPool:
    """Runs blocking calls for an event loop, hundreds at once.

    Its own threads, so that slow calls never occupy the loop's default executor. Starting a
    thread waits until it runs, which takes long when there are many. The event loop never
    waits for that: another thread starts them.
    """

    def __init__(self) -> None:
        run_now_and_after_fork(self._make_threads)

    async def run(self, call: Callable[[], T]) -> T:
        """The result of a call. A call that is cancelled before it begins is never made."""
        done: Future[T] = Future()
        self._starter.submit(_start, self._threads, done, call)
        return await asyncio.wrap_future(done)

    def _make_threads(self) -> None:
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="qwen-rerank-starter")
        self._threads = ThreadPoolExecutor(MAX_CALLS_IN_FLIGHT, thread_name_prefix="qwen-rerank")


def _start(threads: ThreadPoolExecutor, done: Future[Any], call: Callable[[], Any]) -> None:
    try:
        threads.submit(_run_into, done, call)
    except BaseException as error:  # no thread could start: raise it where the result is awaited
        done.set_exception(error)


def _run_into(done: Future[Any], call: Callable[[], Any]) -> None:
    if not done.set_running_or_notify_cancel():
        return
    try:
        done.set_result(call())
    except BaseException as error:  # raised where the result is awaited
        done.set_exception(error)
