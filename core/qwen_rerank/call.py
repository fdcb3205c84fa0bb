"""One call of a user: its deadline, its cancellation, and its listeners."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field

from qwen_rerank.types import Scores


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What one forward pass of the model did."""

    documents: int
    tokens: int
    seconds: float
    waited: tuple[float, ...]
    """Seconds in the queue, of each query whose first documents are in the batch."""


@dataclass(eq=False, slots=True)
class Call:
    """Reaches the threads and queues that work for a call, through a context variable.

    A context variable, because a user's own scorer and retriever lie between both ends.
    """

    ends: float | None = None
    """When the call must end, on the monotonic clock; then its documents leave the queue. `None`
    sets no deadline and no limit of the queue."""
    on_batch: Callable[[BatchReport], object] | None = None
    """Called once for each forward pass that scored documents of this call."""
    on_scores: Callable[[Scores], object] | None = None
    """Called with the scores of each request of this call, before they are ranked."""
    started: float = field(default_factory=lambda: time.monotonic())  # noqa: PLW0108 - the clock of tests moves
    """The start of time limits that count from the call, such as a remote scorer's `timeout`."""
    cancelled: bool = field(default=False, init=False)
    """Whether nobody waits for the result any more."""
    _on_cancel: list[Callable[[], object]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make it the current call of this context."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def cancel(self) -> None:
        """Stop the work: nobody waits for its result any more."""
        with self._lock:
            self.cancelled = True
            stops, self._on_cancel = self._on_cancel, []
        for stop in stops:
            stop()

    @contextmanager
    def stopping(self, stop: Callable[[], object]) -> Iterator[None]:
        """Call `stop` if the call is cancelled inside, or at once if it already is."""
        with self._lock:
            cancelled = self.cancelled
            if not cancelled:
                self._on_cancel.append(stop)
        if cancelled:
            stop()
        try:
            yield
        finally:
            with self._lock, suppress(ValueError):
                self._on_cancel.remove(stop)

    def child(self) -> Call:
        """A call with the same limits that can be cancelled by itself."""
        return Call(self.ends, self.on_batch, self.on_scores, self.started)


_current: ContextVar[Call | None] = ContextVar("qwen_rerank_call", default=None)


def current_call() -> Call:
    """The call that this thread works for; a new one without limits if there is none."""
    return _current.get() or Call()
