"""Checks the input, calls the scorer, applies `on_error`, and ranks."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from typing import Any, Literal, ParamSpec, TypeVar, get_args

from qwen_rerank._threads import CallPool
from qwen_rerank._validation import check_limits, check_list
from qwen_rerank.call import current_call
from qwen_rerank.candidates import Candidates, above
from qwen_rerank.errors import ConfigError, InvalidInputError, ScorerError
from qwen_rerank.expansion import Merge, merge_rankings
from qwen_rerank.lexical.prefilter import Prefilter
from qwen_rerank.outage import OutageLog
from qwen_rerank.scorers.single import as_batch_scorer
from qwen_rerank.tracing import Tracing
from qwen_rerank.types import Outcome, RerankRequest, RerankResult, Scorer

P = ParamSpec("P")
T = TypeVar("T")

OnError = Literal["original_order", "raise"]


class Reranker:
    """Ranks documents by a scorer's scores, best first.

    Args:
        scorer: Gives the scores.
        instruction: The task in one English sentence, for calls that name none.
        on_error: What to do when a scorer is out of reach or gives invalid scores:
            `"original_order"` keeps the order of the documents, without scores and marked
            as such; `"raise"` raises. Wrong input, wrong settings and a model that does
            not load always raise.
        prefilter: Chooses what is scored when there are very many candidates; `None` scores all.
        tracing: What OpenTelemetry spans hold; `None` means numbers only.
    """

    def __init__(
        self,
        scorer: Scorer,
        *,
        instruction: str | None = None,
        on_error: OnError = "raise",
        prefilter: Prefilter | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        if on_error not in get_args(OnError):
            raise ConfigError(f"on_error must be one of {get_args(OnError)}, got {on_error!r}")
        self.scorer = scorer
        self.instruction = instruction
        self.on_error = on_error
        self.prefilter = prefilter
        self.tracing = tracing or Tracing()
        self._batch_scorer = as_batch_scorer(scorer)
        self._outages = OutageLog()

    @property
    def calls_not_reranked(self) -> int:
        """How many queries kept the original order without scores, since the start."""
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
            The best results first; equal scores stay in the caller's order. Documents without
            a score stand below them in the caller's order, with the reason. A
            `score_threshold` leaves them out, unless no document has a score.

        Raises:
            InvalidInputError: An argument is not of the kind said above.
            ScorerError: There are no scores; see `on_error`.
        """
        return self._rankings([(query, documents)], top_n, score_threshold, instruction)[0]

    def rerank_many(
        self,
        queries: Sequence[str],
        documents_per_query: Sequence[Sequence[str]],
        *,
        top_n: int | None = None,
        score_threshold: float | None = None,
        instruction: str | None = None,
    ) -> list[list[RerankResult]]:
        """`rerank` for many queries, each with documents of its own.

        All input is checked before anything is scored. The scorer gets all queries in one call.

        Args:
            queries: What is searched for.
            documents_per_query: The candidates of each query, in the order of `queries`.
            top_n: For each query, as in `rerank`.
            score_threshold: For each query, as in `rerank`.
            instruction: For each query, as in `rerank`.

        Returns:
            What `rerank` returns, for each query.
        """
        check_list("queries", queries)
        check_list("documents_per_query", documents_per_query, "lists")
        if len(queries) != len(documents_per_query):
            raise InvalidInputError(
                f"wanted one list of documents for each of {len(queries)} queries, "
                f"got {len(documents_per_query)}"
            )
        given = zip(queries, documents_per_query, strict=True)
        return self._rankings(given, top_n, score_threshold, instruction)

    def rerank_queries(
        self,
        queries: Sequence[str],
        documents: Sequence[str],
        *,
        merge: Merge = "max",
        top_n: int | None = None,
        score_threshold: float | None = None,
        instruction: str | None = None,
    ) -> list[RerankResult]:
        """Rank documents by their relevance to any of several phrasings of one query.

        When a scorer gives scores for some phrasings only, the others are left out.

        Args:
            queries: The phrasings; equal ones count once. A single one is plain `rerank`.
            documents: The candidates; each comes back at most once.
            merge: `"max"` orders by a document's best score under any phrasing, `"rrf"` by
                reciprocal-rank fusion of the rankings. The score is the best one either way.
            top_n: The most results to return; `None` means all.
            score_threshold: Leave out documents whose best score is below this value.
            instruction: The same for every phrasing.

        Returns:
            What `rerank` returns; it raises the same errors.
        """
        check_limits(top_n, score_threshold)
        check_list("queries", queries)
        if not queries:
            raise InvalidInputError("queries must hold at least one text, it is empty")
        distinct = list(dict.fromkeys(queries))
        most = top_n if len(distinct) == 1 else None  # so that a trace shows what is returned
        repeated = [documents] * len(distinct)
        rankings = self.rerank_many(distinct, repeated, top_n=most, instruction=instruction)
        return above(merge_rankings(rankings, merge), score_threshold)[:top_n]

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

        Many slow calls never starve the event loop's default executor. A task that is cancelled
        takes its documents out of the model's queue.
        """
        parent = current_call()
        call = parent.child()
        with call.active():
            work = partial(contextvars.copy_context().run, function, *args, **kwargs)
        with parent.stopping(call.cancel):
            try:
                return await self._calls.run(work)
            except asyncio.CancelledError:
                call.cancel()
                raise

    def _rankings(
        self,
        given: Iterable[tuple[str, Sequence[str]]],
        top_n: int | None,
        score_threshold: float | None,
        instruction: str | None,
    ) -> list[list[RerankResult]]:
        """Of each query with its documents."""
        check_limits(top_n, score_threshold)
        instruction = self.instruction if instruction is None else instruction
        many = [Candidates(RerankRequest(q, d, instruction), self.prefilter) for q, d in given]
        with self.tracing.reranking([candidates.given for candidates in many], top_n) as note:
            outcomes = self._batch_scorer.score_batch([candidates.request for candidates in many])
            pairs = zip(many, outcomes, strict=True)
            rankings = [above(self._ranking(*pair), score_threshold)[:top_n] for pair in pairs]
            note(rankings)
        return rankings

    def _ranking(self, candidates: Candidates, outcome: Outcome) -> list[RerankResult]:
        if not isinstance(outcome, ScorerError):
            if on_scores := current_call().on_scores:
                on_scores(outcome)
            if outcome.documents and not outcome.remembered:
                self._outages.ended()
            return candidates.ranking(outcome)
        if self.on_error == "raise":
            raise outcome
        self._outages.log(outcome)
        return candidates.original_order(f"{type(outcome).__name__}: {outcome}")

    @cached_property
    def _calls(self) -> CallPool:
        return CallPool()

    def __reduce__(self) -> tuple[Any, ...]:
        make = partial(
            Reranker,
            instruction=self.instruction,
            on_error=self.on_error,
            prefilter=self.prefilter,
            tracing=self.tracing,
        )
        return make, (self.scorer,)
