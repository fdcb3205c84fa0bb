"""The requests that have no results yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

from qwen_rerank.errors import OverloadedError
from qwen_rerank.throughput import Throughput, Work


class OpenRequests:
    """Counts what is under way, and refuses what would come too late.

    All methods belong to one event loop.

    Args:
        max_queue: The most documents of all requests together, unless there is only one.
        deadline: Seconds that a request may take.
        on_change: Called with the number of documents when a request begins or ends.
    """

    def __init__(self, max_queue: int, deadline: float, on_change: Callable[[int], object]) -> None:
        self.throughput = Throughput()
        self.given_up: set[asyncio.Task[object]] = set()
        """The requests that the end of the server cut off; their scorers may still work."""
        self._max_queue = max_queue
        self._deadline = deadline
        self._on_change = on_change
        self._open: dict[asyncio.Task[object], Work] = {}

    @property
    def work(self) -> Work:
        """What all of them take."""
        return sum(self._open.values(), Work())

    def check(self, work: Work) -> None:
        """Refuse at once what would come too late, before it takes a thread.

        The scheduler checks again, with the true number of tokens.

        Raises:
            RefusedError: The queue is too long for it, or the request is.
        """
        queue = self.work
        if queue.documents and queue.documents + work.documents > self._max_queue:
            raise OverloadedError(
                f"{queue.documents} documents wait, and {work.documents} more are too many for "
                "the queue"
            )
        self.throughput.check(work, queue, limit=self._deadline, left=self._deadline)

    @contextmanager
    def opened(self, work: Work) -> Iterator[None]:
        """Count the request of the current task while it runs.

        Raises:
            OverloadedError: `give_up` cut it off.
        """
        task = cast("asyncio.Task[object]", asyncio.current_task())
        self._open[task] = work
        self._on_change(self.work.documents)
        try:
            yield
        except asyncio.CancelledError:
            if task in self.given_up:
                task.uncancel()
                raise OverloadedError(
                    "the server is stopping, and this request took too long"
                ) from None
            raise
        finally:
            del self._open[task]
            self._on_change(self.work.documents)

    def give_up(self) -> None:
        """Cut off what is under way."""
        for task in self._open:
            self.given_up.add(task)
            task.cancel()
