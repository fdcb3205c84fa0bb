"""Keeps rankings and feedback beside the event loop, which never waits for a disk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from qwen_rerank.errors import ConfigError, FeedbackError
from qwen_rerank.feedback import DailyStatistics, FeedbackStore
from qwen_rerank.feedback.database import Row
from qwen_rerank.server.feedback_gauges import FeedbackGauges
from qwen_rerank.server.metrics import Metrics
from qwen_rerank.server.settings import ServerSettings
from qwen_rerank.types import RerankResult

T = TypeVar("T")

SECONDS_FOR_A_RANKING = 0.1
"""The most that a reply waits until its ranking is kept; then it is sent anyway."""
SECONDS_FOR_FIGURES = 2.0
"""The most that /metrics waits; then it shows the last figures."""
MOST_WAITING = 1000
"""Writes that may wait for a slow disk; further rankings are not kept."""

SECONDS_FOR_FEEDBACK = 6.0
"""The most that feedback waits to be kept; then it is refused, and may be sent again."""
SECONDS_FOR_A_CLICK = 0.5
"""The most that a click on the page waits for figures; then it gets the last ones."""
SECONDS_TO_CLOSE = 3.0
"""The most that a stopping server waits for pending writes."""
SHARE_OF_READING = 50
"""Daily figures that took a second to read are shown for this many seconds."""

logger = logging.getLogger(__name__)


class Recorder:
    """A feedback store with one thread of its own. All methods belong to one event loop."""

    def __init__(self, store: FeedbackStore, metrics: Metrics) -> None:
        self._store = store
        self._gauges = FeedbackGauges(metrics.registry)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="qwen-rerank-feedback")
        self._waiting: set[Future[None]] = set()
        self._closing = False
        self._days: list[DailyStatistics] = []
        self._days_until = 0.0
        self._reading: asyncio.Future[None] | None = None

    async def ranking(
        self,
        rerank_id: str,
        query: str,
        documents: Sequence[str],
        results: Sequence[RerankResult],
        *,
        seconds: float,
        top_n: int | None,
    ) -> None:
        """Keep a ranking, so that feedback on it finds it; whatever fails, nothing is raised."""
        if self._full:
            self._store.lose(1)
            return
        row = partial(
            self._store.row,
            query, documents, results, seconds=seconds, rerank_id=rerank_id, top_n=top_n,
        )  # fmt: skip
        write = partial(self._keep, row if self._store.texts else row())
        await asyncio.wait({self._write(write)}, timeout=SECONDS_FOR_A_RANKING)

    async def feedback(
        self, rerank_id: str, relevant: Sequence[int] | None, adopted: bool | None
    ) -> None:
        """See `FeedbackStore.record_feedback`; it comes after the rankings before it."""
        await self._written(
            partial(self._store.record_feedback, rerank_id, relevant=relevant, adopted=adopted)
        )

    async def answer(self, adopted: bool) -> None:
        """See `FeedbackStore.record_answer`."""
        await self._written(partial(self._store.record_answer, adopted))

    async def days(self) -> list[DailyStatistics]:
        """See `FeedbackStore.days`; a large file is not read anew at each click.

        While the file is busy, these are the figures that were read last.
        """
        if self._reading is None and asyncio.get_running_loop().time() >= self._days_until:
            self._reading = _quiet(asyncio.ensure_future(self._read_days()))
        reading = self._reading
        if reading is not None:
            done, _ = await asyncio.wait({reading}, timeout=SECONDS_FOR_A_CLICK)
            if done:
                reading.result()
        return self._days

    async def refresh(self) -> None:
        """Bring the gauges up to date, or mark them as old."""
        self._gauges.lost.set(self._store.lost)
        try:
            reading = self.call(self._store.totals)
            self._gauges.show(await asyncio.wait_for(reading, SECONDS_FOR_FIGURES))
        except (FeedbackError, TimeoutError):
            self._gauges.up.set(0)

    async def close(self) -> None:
        """Close the file behind what still waits; what a slow disk holds up for long is lost."""
        closing = self.call(self._store.close)
        self._closing = True
        self._thread.shutdown(wait=False)
        await asyncio.wait({closing}, timeout=SECONDS_TO_CLOSE)
        lost = sum(write.cancel() for write in list(self._waiting))  # the file closes after all
        self._store.lose(lost)
        if lost:
            logger.warning("rankings and feedback that the file did not take in time: %d", lost)

    @property
    def _full(self) -> bool:
        return self._closing or len(self._waiting) >= MOST_WAITING

    async def _read_days(self) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            self._days = await self.call(self._store.days)
            self._days_until = loop.time() + SHARE_OF_READING * (loop.time() - start)
        finally:
            self._reading = None

    def _keep(self, row: Row | Callable[[], Row]) -> None:
        """Runs in the thread. A row without texts comes ready: its documents need not wait here."""
        self._store.keep(row() if callable(row) else row)

    async def _written(self, write: Callable[[], None]) -> None:
        if self._full:
            raise FeedbackError("the feedback file has too much to do")
        writing = self._write(write)
        done, _ = await asyncio.wait({writing}, timeout=SECONDS_FOR_FEEDBACK)
        if not done or writing.cancelled():
            writing.cancel()
            raise FeedbackError("the feedback file did not take it in time")
        writing.result()

    def _write(self, write: Callable[[], None]) -> asyncio.Future[None]:
        """Wait in line; `close` may cancel what waits."""
        written = self._thread.submit(write)
        self._waiting.add(written)
        written.add_done_callback(self._waiting.discard)
        return _quiet(asyncio.wrap_future(written))

    def call(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """The result of a function that runs in this recorder's thread, after what waits there."""
        if self._closing:
            raise FeedbackError("the server is stopping")
        return _quiet(asyncio.wrap_future(self._thread.submit(function)))


def _quiet(called: asyncio.Future[T]) -> asyncio.Future[T]:
    """The same future: asyncio logs no error of it when nobody waits for it any more."""
    called.add_done_callback(lambda done: done.cancelled() or done.exception())
    return called


def make_recorder(settings: ServerSettings, metrics: Metrics) -> Recorder | None:
    """What the settings ask for, if they do.

    A file that fails later is logged, and nothing else suffers from it.

    Raises:
        ConfigError: The folder of the file is not there, or there are texts to keep and no file.
    """
    if settings.feedback is None:
        if settings.feedback_texts:
            raise ConfigError("feedback_texts needs feedback, the file to keep them in")
        return None
    path = Path(settings.feedback)
    if not path.absolute().parent.is_dir() or path.is_dir():
        raise ConfigError(f"feedback must name a file in a folder that is there, got {path}")
    return Recorder(FeedbackStore(path, texts=settings.feedback_texts), metrics)
