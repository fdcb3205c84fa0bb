"""Turns scores into a ranking."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import Any, Literal, ParamSpec, TypeVar, get_args

from qwen_rerank.answers import check_scores
from qwen_rerank.errors import ConfigError, ModelLoadError, ScorerError
from qwen_rerank.inputs import check_documents, check_limits, check_query
from qwen_rerank.outage import OutageLog
from qwen_rerank.types import RerankResult, Scorer, Scores

P = ParamSpec("P")
T = TypeVar("T")

OnError = Literal["original_order", "raise"]

MAX_CALLS_IN_FLIGHT = 256


class Reranker:
    """Ranks documents by a scorer's scores, best first.

    Args:
        scorer: Gives the scores.
        instruction: The task in one English sentence, where a call names none.
        on_error: What to do when a scorer is out of reach or answers nonsense:
            `"original_order"` keeps the order of the documents, without scores and marked
            as such; `"raise"` raises. Wrong input, wrong settings and a model that does
            not load raise in any case.
    """

    def __init__(
        self, scorer: Scorer, *, instruction: str | None = None, on_error: OnError = "raise"
    ) -> None:
        if on_error not in get_args(OnError):
            raise ConfigError(f"on_error must be one of {get_args(OnError)}, got {on_error!r}")
        self.scorer = scorer
        self.instruction = instruction
        self.on_error = on_error
        self._outages = OutageLog()

    @property
    def calls_not_reranked(self) -> int:
        """How many calls kept the original order for want of scores, since the start."""
        return self._outages.total

    def rerank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        top_n: int | None = None,
        score_threshold: float | None = None,
        instruction: str | None = None,
    ) -> list[RerankResult]:
        """Rank documents by their relevance to the query.

        Args:
            query: What is searched for.
            documents: The candidates, in the order in which the retriever found them.
                Equal texts are scored once and stay distinct documents.
            top_n: The most results to return; `None` means all.
            score_threshold: Leave out what scores below this value in [0, 1].
            instruction: The task in one English sentence; `None` means the reranker's own.

        Returns:
            The best results first; equal scores stay in the caller's order.

        Raises:
            InvalidInputError: An argument is not of the kind said above.
            ScorerError: No scores could be had; see `on_error`.
        """
        instruction = self.instruction if instruction is None else instruction
        check_query(query, instruction)
        check_documents(documents)
        check_limits(top_n, score_threshold)
        try:
            scores = self._scores(query, documents, instruction)
        except ModelLoadError:
            raise
        except ScorerError as error:
            return self._original_order(error, len(documents), top_n)
        return _ranking(scores, top_n, score_threshold)

    async def arerank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        top_n: int | None = None,
        score_threshold: float | None = None,
        instruction: str | None = None,
    ) -> list[RerankResult]:
        """`rerank` without blocking the event loop."""
        return await self.run(
            self.rerank,
            query,
            documents,
            top_n=top_n,
            score_threshold=score_threshold,
            instruction=instruction,
        )

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function that reranks on one of this reranker's own threads.

        Many slow calls never starve the event loop's default executor. A call whose task
        is cancelled keeps its thread until the scorer answers or gives up.
        """
        call = partial(contextvars.copy_context().run, function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def _scores(self, query: str, documents: Sequence[str], instruction: str | None) -> Scores:
        """One score per document, each distinct text scored once."""
        distinct = list(dict.fromkeys(documents))
        if not distinct:
            return Scores([])
        answer = self.scorer.score(query, distinct, instruction=instruction)
        check_scores(answer, distinct)
        self._outages.ended()
        place = {text: i for i, text in enumerate(distinct)}
        known = answer if isinstance(answer, Scores) else Scores(answer)
        return Scores(
            [float(answer[place[text]]) for text in documents],
            truncated=[i for i, text in enumerate(documents) if place[text] in known.truncated],
            fallback=known.fallback,
        )

    def _original_order(
        self, error: ScorerError, count: int, top_n: int | None
    ) -> list[RerankResult]:
        if self.on_error == "raise":
            raise error
        self._outages.log(error)
        reason = f"{type(error).__name__}: {error}"
        return [RerankResult(i, None, not_reranked=reason) for i in range(count)[:top_n]]

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(MAX_CALLS_IN_FLIGHT, thread_name_prefix="qwen-rerank")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.scorer, self.instruction, self.on_error)


def _rebuild(scorer: Scorer, instruction: str | None, on_error: OnError) -> Reranker:
    return Reranker(scorer, instruction=instruction, on_error=on_error)


def _ranking(scores: Scores, top_n: int | None, threshold: float | None) -> list[RerankResult]:
    best_first = sorted(range(len(scores)), key=lambda i: -scores[i])
    kept = [i for i in best_first if threshold is None or scores[i] >= threshold]
    return [
        RerankResult(i, scores[i], i in scores.truncated, fallback=scores.fallback)
        for i in kept[:top_n]
    ]
