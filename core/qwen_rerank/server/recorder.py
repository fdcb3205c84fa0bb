"""Keeps rankings and feedback beside the event loop, which never waits for a disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from qwen_rerank.errors import ConfigError, FeedbackError
from qwen_rerank.feedback import DayFigures, FeedbackStore
from qwen_rerank.server.feedback_gauges import FeedbackGauges
from qwen_rerank.server.metrics import Metrics
from qwen_rerank.server.settings import ServerSettings
from qwen_rerank.types import RerankResult

T = TypeVar("T")

SECONDS_FOR_A_RANKING = 0.1
"""The most that a reply waits for its ranking to be kept; then it goes without."""
SECONDS_FOR_FIGURES = 2.0
"""The most that /metrics waits; then it tells what it knew."""
MOST_WAITING = 1000
"""Writes that may wait for a slow disk; further rankings are not kept."""

SHARE_OF_READING = 50
"""Figures of the days that took a second to read are good for so many seconds."""


class Recorder:
    """A feedback store with one thread of its own. All methods belong to one event loop."""

    def __init__(self, store: FeedbackStore, metrics: Metrics) -> None:
        self._store = store
        self._gauges = FeedbackGauges(metrics.registry)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="qwen-rerank-feedback")
        self._waiting = 0
        self._days: list[DayFigures] = []
        self._days_until = 0.0

    async def ranking(
        self,
        rerank_id: str,
        query: str,
        documents: Sequence[str],
        results: Sequence[RerankResult],
        seconds: float,
    ) -> None:
        """Keep a ranking, so that feedback on it finds it; whatever fails, nothing is raised."""
        if self._waiting >= MOST_WAITING:
            self._store.lost += 1
            return
        write = partial(
            self._store.record_ranking,
            query, documents, results, seconds=seconds, rerank_id=rerank_id,
        )  # fmt: skip
        await asyncio.wait({self._call(write)}, timeout=SECONDS_FOR_A_RANKING)

    async def feedback(
        self, rerank_id: str, relevant: Sequence[int] | None, adopted: bool | None
    ) -> None:
        """See `FeedbackStore.record_feedback`; it comes after the rankings before it."""
        write = partial(self._store.record_feedback, rerank_id, relevant=relevant, adopted=adopted)
        await self._call(write)
        self._days_until = 0.0

    async def answer(self, adopted: bool) -> None:
        """See `FeedbackStore.record_answer`."""
        await self._call(partial(self._store.record_answer, adopted))
        self._days_until = 0.0

    async def days(self) -> list[DayFigures]:
        """See `FeedbackStore.days`; a large file is not read anew at each click."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._days_until:
            start = loop.time()
            self._days = await self._call(self._store.days)
            self._days_until = loop.time() + SHARE_OF_READING * (loop.time() - start)
        return self._days

    async def refresh(self) -> None:
        """Bring the gauges up to date, or mark them as old."""
        self._gauges.lost.set(self._store.lost)
        reading = self._call(self._store.totals)
        try:
            self._gauges.show(await asyncio.wait_for(reading, SECONDS_FOR_FIGURES))
        except (FeedbackError, TimeoutError):
            self._gauges.up.set(0)

    def close(self) -> None:
        """Leave what still waits for a disk that does not answer."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _call(self, function: Callable[[], T]) -> asyncio.Future[T]:
        self._waiting += 1
        called = asyncio.get_running_loop().run_in_executor(self._thread, function)
        called.add_done_callback(self._done)
        return called

    def _done(self, called: asyncio.Future[T]) -> None:
        self._waiting -= 1
        if not called.cancelled():
            called.exception()  # whoever awaits it has it; who stopped waiting wants it not


def make_recorder(settings: ServerSettings, metrics: Metrics) -> Recorder | None:
    """What the settings ask for, if they do.

    A file that fails later is logged, and nothing else suffers from it.

    Raises:
        ConfigError: The folder of the file is not there.
    """
    if settings.feedback is None:
        return None
    path = Path(settings.feedback)
    if not path.absolute().parent.is_dir() or path.is_dir():
        raise ConfigError(f"feedback must name a file in a folder that is there, got {path}")
    return Recorder(FeedbackStore(path, texts=settings.feedback_texts), metrics)
