"""Turns scores into a ranking."""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import Any, Literal, cast

from qwen_rerank.errors import BadScoresError, ModelLoadError, ScorerError
from qwen_rerank.inputs import check_documents, check_limits, check_queries, check_query
from qwen_rerank.outage import OutageLog
from qwen_rerank.types import BulkScorer, OnProgress, RerankResult, Scorer, Scores

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
        answer = self._ask(query, _distinct(documents), instruction)
        if isinstance(answer, ScorerError):
            return self._original_order(answer, len(documents), top_n)
        return _ranking(_spread(answer, documents), top_n, score_threshold)

    def rerank_many(
        self,
        queries: Sequence[str],
        documents_per_query: Sequence[Sequence[str]],
        *,
        top_n: int | None = None,
        score_threshold: float | None = None,
        instruction: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[list[RerankResult]]:
        """`rerank` for many queries, each with documents of its own.

        All input is checked before anything is scored. A scorer that can share work between
        queries (`BulkScorer`) gets them in one call and, when it fails, fails for all.

        Args:
            queries: What is searched for.
            documents_per_query: The candidates of each query, in the order of `queries`.
            top_n: For each query, as in `rerank`.
            score_threshold: For each query, as in `rerank`.
            instruction: For each query, as in `rerank`.
            on_progress: Told how many documents are done, and how many there are in all;
                equal texts of one query count once.

        Returns:
            What `rerank` returns, for each query.
        """
        instruction = self.instruction if instruction is None else instruction
        check_queries(queries, documents_per_query, instruction)
        check_limits(top_n, score_threshold)
        distinct = [_distinct(documents) for documents in documents_per_query]
        ask = self._ask_at_once if isinstance(self.scorer, BulkScorer) else self._ask_in_turn
        answers = ask(queries, distinct, instruction, on_progress or _ignore)
        return [
            self._original_order(answer, len(documents), top_n)
            if isinstance(answer, ScorerError)
            else _ranking(_spread(answer, documents), top_n, score_threshold)
            for answer, documents in zip(answers, documents_per_query, strict=True)
        ]

    async def arerank(
        self, query: str, documents: Sequence[str], **options: Any
    ) -> list[RerankResult]:
        """`rerank` without blocking the event loop; takes the same arguments.

        Runs on threads of its own, so that many slow calls never starve the loop's
        default executor.
        """
        context = contextvars.copy_context()
        call = partial(context.run, self.rerank, query, documents, **options)
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def _ask_at_once(
        self,
        queries: Sequence[str],
        distinct: Sequence[list[str]],
        instruction: str | None,
        on_progress: OnProgress,
    ) -> list[Sequence[float] | ScorerError]:
        scorer = cast(BulkScorer, self.scorer)
        try:
            answers = scorer.score_many(
                queries, distinct, instruction=instruction, on_progress=on_progress
            )
            _check_count(answers, len(queries))
            for answer, documents in zip(answers, distinct, strict=True):
                _check_scores(answer, len(documents))
        except ModelLoadError:
            raise
        except ScorerError as error:
            return [error] * len(queries)
        self._outages.ended()
        return list(answers)

    def _ask_in_turn(
        self,
        queries: Sequence[str],
        distinct: Sequence[list[str]],
        instruction: str | None,
        on_progress: OnProgress,
    ) -> list[Sequence[float] | ScorerError]:
        answers: list[Sequence[float] | ScorerError] = []
        done, total = 0, sum(map(len, distinct))
        for query, documents in zip(queries, distinct, strict=True):
            answers.append(self._ask(query, documents, instruction))
            done += len(documents)
            on_progress(done, total)
        return answers

    def _ask(
        self, query: str, distinct: list[str], instruction: str | None
    ) -> Sequence[float] | ScorerError:
        """One score per distinct document, or why there are none."""
        if not distinct:
            return Scores([])
        try:
            answer = self.scorer.score(query, distinct, instruction=instruction)
            _check_scores(answer, len(distinct))
        except ModelLoadError:
            raise
        except ScorerError as error:
            return error
        self._outages.ended()
        return answer

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


def _distinct(documents: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(documents))


def _spread(answer: Sequence[float], documents: Sequence[str]) -> Scores:
    """Scores of distinct documents, given to all that are equal."""
    place = {text: i for i, text in enumerate(_distinct(documents))}
    known = answer if isinstance(answer, Scores) else Scores(answer)
    return Scores(
        [float(known[place[text]]) for text in documents],
        truncated=[i for i, text in enumerate(documents) if place[text] in known.truncated],
        fallback=known.fallback,
    )


def _ranking(scores: Scores, top_n: int | None, threshold: float | None) -> list[RerankResult]:
    best_first = sorted(range(len(scores)), key=lambda i: -scores[i])
    kept = [i for i in best_first if threshold is None or scores[i] >= threshold]
    return [
        RerankResult(i, scores[i], i in scores.truncated, fallback=scores.fallback)
        for i in kept[:top_n]
    ]


def _check_count(answers: Sequence[Sequence[float]], count: int) -> None:
    if len(answers) != count:
        raise BadScoresError(f"wanted {count} lists of scores, one per query, got {len(answers)}")


def _ignore(done: int, total: int) -> None:
    """Progress that nobody asked for."""


def _check_scores(scores: Sequence[float], count: int) -> None:
    if len(scores) != count:
        raise BadScoresError(f"wanted {count} scores, one per document, got {len(scores)}")
    for place, score in enumerate(scores):
        if not 0 <= score <= 1 or math.isnan(score):
            raise BadScoresError(f"wanted scores in [0, 1], got {score!r} for document {place}")
