"""Queues encoded queries, runs the model's passes, and returns log-odds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from typing import cast

import torch

from qwen_rerank._threads import run_now_and_after_fork
from qwen_rerank.call import BatchReport, current_call
from qwen_rerank.errors import ScorerError
from qwen_rerank.scorers.local.batch import Segment
from qwen_rerank.scorers.local.checkpoint import Checkpoint
from qwen_rerank.scorers.local.cpu.openmp import release_openmp_threads
from qwen_rerank.scorers.local.device_thread import start_on_device_thread
from qwen_rerank.scorers.local.encoder import EncodedQuery
from qwen_rerank.scorers.local.gpu.fused_model import fuses
from qwen_rerank.scorers.local.gpu.fused_pass import FusedPass
from qwen_rerank.scorers.local.packed_pass import PackedPass
from qwen_rerank.scorers.local.padded_pass import PaddedPass
from qwen_rerank.scorers.local.queued_query import DocumentOdds, QueryOdds, QueuedQuery
from qwen_rerank.scorers.local.scheduler import ScheduledBatch, Scheduler
from qwen_rerank.throughput import Throughput

logger = logging.getLogger(__name__)

TOKENS_PER_PASS = {"cpu": 1536, "cuda": 16384, "mps": 4096}
"""By measurement on a CPU, see benchmarks/README.md: fewer tokens use the matrix units less
well, more of them need more memory for the same speed."""

PACKED_TOKENS_PER_PASS = 768
"""The same with packed weights, whose products are fast with few tokens already."""

MIN_BUDGET = 512
"""Below this, running out of memory says something about one document, not about batches."""


class Engine:
    """Log-odds of "yes" for prompts: backbone only, one fp32 row at the last token.

    Prompts share one row and their query's prefix, or have rows of their own where the model's
    layers allow no sharing.

    Any number of threads may call it at once; their documents share passes. The passes run in
    the device's own thread, one after another, as long as documents wait.

    Args:
        checkpoint: The model, which from now on only engines may run.
        tokens_per_pass: The most tokens in a pass of several documents, before packed products
            round them up; `None` takes what measured best on this kind of device.
    """

    def __init__(self, checkpoint: Checkpoint, tokens_per_pass: int | None = None) -> None:
        self._answer = checkpoint.answer
        run_now_and_after_fork(self._start)
        self._packs = checkpoint.packs
        best = TOKENS_PER_PASS.get(self._answer.device.type, 4096)
        self._pass = _pass_of(checkpoint, tokens_per_pass or best)
        packed = isinstance(self._pass, PackedPass) and self._pass.weights_packed
        self._budget = tokens_per_pass or (PACKED_TOKENS_PER_PASS if packed else best)

    def _start(self) -> None:
        """With an empty queue; in a forked child too, which lacks the device's thread."""
        self._lock = threading.Lock()
        self._scheduler = Scheduler()
        self._throughput = Throughput()
        self._running = False

    def log_odds(self, queries: Iterable[EncodedQuery]) -> list[QueryOdds]:
        """The log-odds of each query's documents, in the order they came.

        The first queries are scored while the next ones are still made, if they are made one by
        one. A ScorerError stands in the place of a query or a document that could not be scored.

        Source of the score: the difference of the "yes" and "no" logits at the last
        position, as in the Qwen3-Reranker model card.

        Raises:
            OverloadedError: The call has a deadline, and the queue is too long for it.
            RequestTooLargeError: The call has a deadline, and these documents take longer.
            DeadlineError: The deadline of the call passed.
        """
        release_openmp_threads(self._answer.device)
        call = current_call()
        queued: list[QueuedQuery] = []
        with call.stopping(lambda: self._cancel(queued)):
            try:
                for query in queries:
                    queued.append(QueuedQuery(query if self._packs else query.unshared(), call))
                    self._add(queued[-1])
                    if call.cancelled:
                        self._cancel(queued)
                return [query.result.result() for query in queued]
            finally:
                self._cancel(queued)

    def _add(self, query: QueuedQuery) -> None:
        with self._lock:
            if query.call.ends is not None:
                self._check(query, query.call.ends)
            self._scheduler.add(query)
            idle, self._running = not self._running, True
        if idle:
            try:
                start_on_device_thread(self._answer.device, self._run_batch)
            except BaseException as error:  # no thread to be had, or Ctrl+C
                self._fail_all(error)
                raise

    def _check(self, query: QueuedQuery, ends: float) -> None:
        limit, left = ends - query.call.started, max(0.0, ends - time.monotonic())
        self._throughput.check(query.work, self._scheduler.work, limit=limit, left=left)

    def _cancel(self, queued: Sequence[QueuedQuery]) -> None:
        """Remove what is not done; a pass that has begun runs to its end."""
        with self._lock:
            for query in queued:
                if not query.result.done():
                    self._scheduler.cancel(query)

    def _run_batch(self) -> bool:
        """Run one batch; whether there was one, and so may be another."""
        try:
            batch = self._next_batch()
            if not batch.shares:
                return False
            start, odds = time.monotonic(), cast(Sequence[DocumentOdds] | Exception, [])
            try:
                odds = self._odds(batch.segments)
            except Exception as error:  # every caller with documents in the batch gets it
                odds = error
            self._complete(batch, odds, start)
        except BaseException as error:  # nobody may wait for ever
            self._fail_all(error)
            raise
        return True

    def _next_batch(self) -> ScheduledBatch:
        with self._lock:
            batch = self._scheduler.schedule(self._budget)
            self._running = bool(batch.shares)
        return batch

    def _complete(
        self, batch: ScheduledBatch, odds: Sequence[DocumentOdds] | Exception, start: float
    ) -> None:
        report, failed = _report(batch, start), isinstance(odds, Exception)
        if not failed:
            _tell(batch, report)
        with self._lock:
            if not failed:
                self._throughput.learn(report.tokens, report.seconds)
            self._scheduler.complete(batch, odds)

    def _fail_all(self, error: BaseException) -> None:
        """End every query, after an error that no batch explains; the next call starts anew."""
        with self._lock:
            failed, self._scheduler, self._running = self._scheduler, Scheduler(), False
            failed.fail(error)

    @torch.inference_mode()
    def _odds(self, segments: Sequence[Segment]) -> Sequence[DocumentOdds]:
        """The odds of each document; where memory runs out, each half is tried alone."""
        try:
            return (self._pass(segments).float() @ self._answer).tolist()
        except torch.cuda.OutOfMemoryError as error:
            if len(segments) == 1:
                return _no_memory(segments[0], error)
        # outside the handler, so that the error's frames no longer hold the pass's tensors
        return self._odds_of_halves(segments)

    def _odds_of_halves(self, segments: Sequence[Segment]) -> Sequence[DocumentOdds]:
        torch.cuda.empty_cache()
        half, tokens = len(segments) // 2, sum(len(s.ids) for s in segments)
        self._budget = min(self._budget, max(tokens // 2, MIN_BUDGET))
        if isinstance(self._pass, PaddedPass):
            self._pass.budget = self._budget
        return [*self._odds(segments[:half]), *self._odds(segments[half:])]


def _pass_of(checkpoint: Checkpoint, budget: int) -> PackedPass | FusedPass | PaddedPass:
    """What gives the hidden state at the end of each document, of shape (documents, hidden)."""
    if not checkpoint.packs:
        return PaddedPass(checkpoint.backbone, budget)
    if fuses(checkpoint.backbone):
        return FusedPass(checkpoint.backbone)
    return PackedPass(checkpoint.backbone)


def _report(batch: ScheduledBatch, start: float) -> BatchReport:
    waited = tuple(start - query.added for query in batch.shares if not query.odds)
    return BatchReport(batch.documents, batch.tokens, time.monotonic() - start, waited)


def _tell(batch: ScheduledBatch, report: BatchReport) -> None:
    """Before the results are out, so that a progress bar is full when its call returns."""
    for on_batch in {query.call.on_batch for query in batch.shares}:
        if on_batch is not None:
            try:
                on_batch(report)
            except Exception as error:  # a listener's own failure costs nobody a score
                logger.warning("a listener for batches failed: %r", error)


def _no_memory(segment: Segment, error: Exception) -> list[DocumentOdds]:
    failure = ScorerError(
        f"the device has no memory for {segment.start + len(segment.ids)} tokens on their own; "
        f"lower max_length: {error}"
    )
    if segment.stored_in is not None:  # no document can be scored without its prefix
        raise failure from error
    return [failure]
