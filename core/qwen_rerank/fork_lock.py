"""A lock that outlives a fork."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable

PATIENCE = 6.0
"""Seconds that a fork waits for a lock; longer than any call that holds one."""


class ForkLock:
    """A lock that is free in a forked child, whichever thread of the parent held it.

    The child inherits the memory of the parent, but of its threads only the one that forked:
    what the others were about to do, nobody finishes there.

    Args:
        renew: Called in the child before anything else runs there; brings what the lock
            guards back into order.
        settle: Called in the parent before it forks, with the lock held until it has; puts
            away what no child may inherit.
    """

    def __init__(
        self,
        renew: Callable[[], object] | None = None,
        settle: Callable[[], object] | None = None,
    ) -> None:
        self._lock, self._held = threading.Lock(), False
        self._renew, self._settle = renew, settle
        _locks.add(self)

    def acquire(self, timeout: float = -1) -> bool:
        """Whether it could be had within so many seconds; -1 waits for as long as it takes."""
        return self._lock.acquire(timeout=timeout)

    def release(self) -> None:
        """Let another thread have it."""
        self._lock.release()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def prepare(self) -> None:
        """What a parent does before it forks; it forks even where a thread never lets go."""
        if self._settle is not None and self._lock.acquire(timeout=PATIENCE):
            self._held = True
            self._settle()

    def go_on(self) -> None:
        """What a parent does when it has forked."""
        if self._held:
            self._held = False
            self._lock.release()

    def start_anew(self) -> None:
        """What a forked child does first."""
        self._lock, self._held = threading.Lock(), False
        if self._renew is not None:
            self._renew()


_forking = threading.Lock()
"""One fork at a time: two would wait for each other's locks."""
_locks: weakref.WeakSet[ForkLock] = weakref.WeakSet()


def _prepare() -> None:
    _forking.acquire()
    for lock in list(_locks):
        lock.prepare()


def _go_on() -> None:
    for lock in list(_locks):
        lock.go_on()
    _forking.release()


def _start_anew() -> None:
    for lock in list(_locks):
        lock.start_anew()
    _forking.release()  # held by the thread that forked, which is the child's only one


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_prepare, after_in_parent=_go_on, after_in_child=_start_anew)
