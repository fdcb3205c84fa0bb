"""What the page and the routes share: the model, its queue, and the rules of a ranking."""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from qwen_rerank._validation import check_limits
from qwen_rerank.candidates import Candidates
from qwen_rerank.errors import ConfigError, QwenRerankError
from qwen_rerank.factory import load_scorer
from qwen_rerank.scorers.single import as_batch_scorer
from qwen_rerank.server.batcher import Batcher
from qwen_rerank.server.job import Question
from qwen_rerank.server.limits import check_size
from qwen_rerank.server.recorder import make_recorder
from qwen_rerank.server.refusals import OverloadedError
from qwen_rerank.server.settings import ServerSettings
from qwen_rerank.server.telemetry import Metrics
from qwen_rerank.server.throughput import Pace
from qwen_rerank.types import RerankRequest, RerankResult

State = Literal["loading", "ready", "stopping", "failed"]

DRAIN_SECONDS = 8.0
"""How long accepted requests may still take when the server stops."""
_WARM_UP = Question("How long does a refund take?", ["A refund takes five working days. " * 8] * 8)


@dataclass(frozen=True, slots=True)
class Ranking:
    """An answer, and the name by which feedback calls it."""

    id: str
    results: list[RerankResult]
    seconds: float


class Service:
    """Ranks for many callers at once, on one event loop and one model thread.

    Raises on construction what `load` raises: wrong settings, a missing extra.
    """

    def __init__(self, settings: ServerSettings) -> None:
        if settings.base_url is not None:  # inherited from its clients, it would ask itself
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
        scorer = as_batch_scorer(load_scorer(settings))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="qwen-rerank-model")
        queue = max(settings.max_queue, settings.max_documents)
        self._batcher = Batcher(scorer, self._thread, queue, self.metrics)
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load the model and warm it up, then serve; returns when requests are welcome."""
        self.loop = asyncio.get_running_loop()
        self._serving = self.loop.create_task(self._batcher.run())
        try:
            await self._warm_up()
        except Exception as error:  # whatever it is, it goes to the one who waits
            self.failure = error
        if self.state == "loading":
            self.state = "failed" if self.failure else "ready"
        self.loaded.set()

    async def _warm_up(self) -> None:
        """The first call loads the model; the second one tells its pace."""
        await self._batcher.score(_WARM_UP, math.inf)
        self._batcher.pace = Pace()
        await self._batcher.score(_WARM_UP, self.settings.deadline)

    def drain(self) -> None:
        """Refuse what comes from now on, and give what is here some time to finish."""
        if self.state == "stopping":
            return
        self.state = "stopping"
        late = OverloadedError("the server stops, and this could not be done before")
        self.loop.call_later(DRAIN_SECONDS, self._batcher.fail_all, late)

    async def stop(self) -> None:
        """End the loop; the model's thread is left to finish its call."""
        self.state = "stopping"
        self._batcher.fail_all(OverloadedError("the server stops"))
        if self._serving:
            self._serving.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)
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
    ) -> Ranking:
        """Rank as `Reranker.rerank` does, with the scores of a shared call, and keep a note.

        Raises:
            InvalidInputError: An argument is not what `Reranker.rerank` takes.
            RefusedError: A limit, an overload, a deadline; its subclasses say which.
            ScorerError: The model could not score.
        """
        start = time.perf_counter()
        check_limits(top_n, score_threshold)
        candidates = self._candidates(query, documents, instruction)
        asked = candidates.request
        question = Question(asked.query, asked.documents, asked.instruction)
        scores = await self._batcher.score(question, self.settings.deadline)
        found = candidates.ranking(scores, score_threshold)[:top_n]
        answer = Ranking(str(uuid.uuid4()), found, time.perf_counter() - start)
        if self.recorder is not None:
            await self.recorder.ranking(
                answer.id, query, documents, found, seconds=answer.seconds, top_n=top_n
            )
        return answer

    @property
    def waiting(self) -> int:
        """Documents that wait for the model."""
        return self._batcher.waiting

    @property
    def busy(self) -> bool:
        """Whether the model is in a call that nobody can interrupt."""
        return self._batcher.calling

    def _candidates(
        self, query: str, documents: Sequence[str], instruction: str | None
    ) -> Candidates:
        instruction = self.settings.instruction if instruction is None else instruction
        request = RerankRequest(query, documents, instruction)
        check_size(self.settings, query, documents, instruction)
        self._check_state()
        return Candidates(request)

    def _check_state(self) -> None:
        if self.state == "loading":
            raise OverloadedError("the model is still loading", 5)
        if self.state == "stopping":
            raise OverloadedError("the server stops", 5)
        if self.state == "failed":
            raise QwenRerankError("the model did not load, see the server's log")
