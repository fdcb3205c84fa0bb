"""A lock that outlives a fork."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable


class ForkLock:
    """A lock that is free in a forked child, whichever thread of the parent held it.

    The child inherits the memory of the parent, but of its threads only the one that forked:
    what the others were about to do, nobody finishes there.

    Args:
        renew: Called in the child before anything else runs there; brings what the lock
            guards back into order.
    """

    def __init__(self, renew: Callable[[], object] | None = None) -> None:
        self._lock = threading.Lock()
        self._renew = renew
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

    def start_anew(self) -> None:
        """What a forked child does first."""
        self._lock = threading.Lock()
        if self._renew is not None:
            self._renew()


_locks: weakref.WeakSet[ForkLock] = weakref.WeakSet()


def _start_anew() -> None:
    for lock in list(_locks):
        lock.start_anew()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_start_anew)
