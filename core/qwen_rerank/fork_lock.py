"""A lock that is free again in a forked child."""

from __future__ import annotations

import threading
from collections.abc import Callable

from qwen_rerank._threads import reset_after_fork


class ForkLock:
    """A lock that a forked child gets anew, whichever thread of the parent held it.

    Args:
        renew: Called in the child to reset what the lock protects.
    """

    def __init__(self, renew: Callable[[], object] | None = None) -> None:
        self._lock, self._renew = threading.Lock(), renew
        reset_after_fork(self._reset)

    def acquire(self, timeout: float = -1) -> bool:
        """Take the lock. Returns whether that worked within so many seconds; -1 waits for ever."""
        return self._lock.acquire(timeout=timeout)

    def release(self) -> None:
        """Let another thread take the lock."""
        self._lock.release()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        if self._renew is not None:
            self._renew()
