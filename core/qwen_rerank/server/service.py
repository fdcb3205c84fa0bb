"""What the page and the routes share: the reranker, its limits, and the state of the server."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

from qwen_rerank.call import BatchReport, Call
from qwen_rerank.errors import ConfigError, DeadlineError, OverloadedError, QwenRerankError
from qwen_rerank.factory import load
from qwen_rerank.server.limits import check_size
from qwen_rerank.server.metrics import Metrics
from qwen_rerank.server.open_requests import OpenRequests
from qwen_rerank.server.ranking import ServedRanking
from qwen_rerank.server.recorder import make_recorder
from qwen_rerank.server.settings import ServerSettings
from qwen_rerank.server.truncation import Truncation
from qwen_rerank.server.work import estimated_work, prompt_tokens
from qwen_rerank.throughput import Work
from qwen_rerank.types import RerankResult, Scores

State = Literal["loading", "ready", "stopping", "failed"]

DRAIN_SECONDS = 8.0
"""How long accepted requests may still take when the server stops."""
WARM_UP_QUERIES = ("How long does a refund take?", "When is a refund paid?", "Who pays a refund?")
"""Different ones, so that no cache has their scores."""
WARM_UP_DOCUMENTS = ["A refund takes five working days. " * 8] * 4


class Service:
    """Ranks for many callers at once; all methods belong to one event loop.

    The scorer's own queue shares the model between the requests. Each request carries its
    deadline there, so that what would come too late is refused at once.

    Raises on construction what `load` raises: wrong settings, a missing extra.
    """

    def __init__(self, settings: ServerSettings) -> None:
        if settings.base_url is not None:  # from a client's environment: it would call itself
            raise ConfigError(
                "a server scores in its own process: unset base_url (QWEN_RERANK_BASE_URL)"
            )
        self.settings = settings
        self.metrics = Metrics()
        self.recorder = make_recorder(settings, self.metrics)
        self.state: State = "loading"
        self.failure: Exception | None = None
        """Why the model did not load."""
        self.loaded = asyncio.Event()
        """Set when the state is no longer "loading"."""
        self._reranker = load(settings)
        self._requests = OpenRequests(
            max(settings.max_queue, settings.max_documents),
            settings.deadline,
            self.metrics.queue_items.set,
        )
        self._truncation = Truncation(settings.model, settings.max_text)

    async def start(self) -> None:
        """Load the model and warm it up; returns when requests are welcome."""
        self.loop = asyncio.get_running_loop()
        try:
            await self._warm_up()
        except Exception as error:  # whatever it is, `failure` tells it
            self.failure = error
        if self.state == "loading":
            self.state = "failed" if self.failure else "ready"
        self.loaded.set()

    async def _warm_up(self) -> None:
        """The first call loads the model, the others measure its speed."""
        with Call(on_batch=self._learn).active():
            for query in WARM_UP_QUERIES:
                await self._reranker.run(self._reranker.scorer.score, query, WARM_UP_DOCUMENTS)

    async def check_model(self) -> None:
        """Score one pair, behind what waits; waits first while the model loads.

        Raises whatever the model raises, or why it did not load.
        """
        await self.loaded.wait()
        if self.failure is not None:
            raise self.failure
        query = f"health check {uuid.uuid4()}"  # a new one, so that no cache has its score
        await self._reranker.run(self._reranker.scorer.score, query, WARM_UP_DOCUMENTS[:1])

    def drain(self) -> None:
        """Refuse new requests from now on, and give the running ones some time to end."""
        if self.state != "stopping":
            self.state = "stopping"
            asyncio.get_running_loop().call_later(DRAIN_SECONDS, self._requests.give_up)

    async def stop(self) -> None:
        """End what still runs; the model is left to finish its batch."""
        self.state = "stopping"
        self._requests.give_up()
        if self.recorder is not None:
            await self.recorder.close()

    async def rerank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        top_n: int | None = None,
        score_threshold: float | None = None,
        instruction: str | None = None,
        max_tokens_per_doc: int | None = None,
    ) -> ServedRanking:
        """Rank as `Reranker.rerank` does, within the server's limits, and record it.

        When the caller is cancelled, the documents that wait leave the queue.

        The end of a document with more than `max_tokens_per_doc` tokens is cut.

        Raises:
            InvalidInputError: An argument is not what `Reranker.rerank` takes.
            RefusedError: A limit, an overload, a deadline; its subclasses say which.
            ScorerError: The model could not score.
        """
        start = time.perf_counter()
        check_size(self.settings, query, documents, instruction)
        self._check_state()
        texts, cut = await self._truncated(documents, max_tokens_per_doc)
        work = estimated_work(query, texts)
        self._requests.check(work)
        rerank = partial(
            self._reranker.arerank,
            query,
            texts,
            top_n=top_n,
            score_threshold=score_threshold,
            instruction=instruction,
        )
        scores: list[Scores] = []
        found = await self._in_time(rerank, work, scores.append)
        results = [replace(r, truncated=r.truncated or r.index in cut) for r in found]
        ranking = ServedRanking(
            str(uuid.uuid4()),
            results,
            time.perf_counter() - start,
            self.settings.model,
            prompt_tokens(scores, query, texts),
        )
        if self.recorder is not None:
            await self.recorder.ranking(
                ranking.id, query, documents, results, seconds=ranking.seconds, top_n=top_n
            )
        return ranking

    async def _truncated(
        self, documents: Sequence[str], max_tokens: int | None
    ) -> tuple[list[str], frozenset[int]]:
        """See `Truncation.apply`; counting tokens takes a thread."""
        if max_tokens is None:
            return self._truncation.apply(documents, None)
        return await self._reranker.run(self._truncation.apply, documents, max_tokens)

    @property
    def busy(self) -> bool:
        """Whether a thread may still load the model, or work for a request that was given up."""
        return bool(self._requests.given_up) or not self.loaded.is_set()

    @property
    def waiting(self) -> int:
        """Documents of the requests that have no results yet."""
        return self._requests.work.documents

    async def _in_time(
        self,
        rerank: Callable[[], Awaitable[list[RerankResult]]],
        work: Work,
        on_scores: Callable[[Scores], object],
    ) -> list[RerankResult]:
        """The results before the deadline and before the server ends."""
        call = Call(time.monotonic() + self.settings.deadline, self._observe, on_scores)
        try:
            with self._requests.opened(work), call.active():
                async with asyncio.timeout(self.settings.deadline) as timeout:
                    return await rerank()
        except TimeoutError:
            if not timeout.expired():  # the scorer's own
                raise
            raise DeadlineError(f"no scores within {self.settings.deadline:g} seconds") from None

    def _observe(self, report: BatchReport) -> None:
        """Called in the model's thread, once for each batch."""
        self._learn(report)
        self.metrics.inference.observe(report.seconds)
        self.metrics.batch_pairs.observe(report.documents)
        self.metrics.batch_tokens.observe(report.tokens)
        for seconds in report.waited:
            self.metrics.queue_wait.observe(seconds)

    def _learn(self, report: BatchReport) -> None:
        throughput = self._requests.throughput
        self.loop.call_soon_threadsafe(throughput.learn, report.tokens, report.seconds)

    def _check_state(self) -> None:
        if self.state == "loading":
            raise OverloadedError("the model is still loading", retry_after=5)
        if self.state == "stopping":
            raise OverloadedError("the server is stopping", retry_after=5)
        if self.state == "failed":
            raise QwenRerankError("the model did not load, see the server's log")
