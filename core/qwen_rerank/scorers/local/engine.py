"""Runs the backbone over packs of encoded prompts."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import torch

from qwen_rerank.errors import ScorerError
from qwen_rerank.fork_lock import ForkLock
from qwen_rerank.scorers.local.attention import NAME, running
from qwen_rerank.scorers.local.batch import Pack, Segment
from qwen_rerank.scorers.local.checkpoint import Checkpoint
from qwen_rerank.scorers.local.cpu.openmp import dismiss_team
from qwen_rerank.scorers.local.cpu.packed_linear import pack_linears, padded
from qwen_rerank.scorers.local.device_thread import on_worker
from qwen_rerank.scorers.local.encoder import EncodedQuery
from qwen_rerank.scorers.local.last_token import answer_at_ends
from qwen_rerank.scorers.local.scheduler import Asked, Plan, Planner

TOKENS_PER_PASS = {"cpu": 1536, "cuda": 16384, "mps": 4096}
"""By measurement on a CPU, see benchmarks/README.md: fewer tokens use the matrix units less
well, more of them need more memory for the same speed."""

PACKED_TOKENS_PER_PASS = 768
"""The same where weights are packed, whose products are fast with few tokens already."""

LEAST_BUDGET = 512
"""Below this, running out of memory says something about one document, not about packs."""


class Engine:
    """Log-odds of "yes" for prompts: backbone only, one fp32 row at the last token.

    Any number of threads may call it at once; their documents share passes.

    Args:
        checkpoint: The model, which from now on only engines may run.
        tokens_per_pass: The most tokens in a pass of several documents, before packed products
            round them up; `None` takes what measured best on this kind of device.
    """

    def __init__(self, checkpoint: Checkpoint, tokens_per_pass: int | None = None) -> None:
        self._backbone = checkpoint.backbone
        self._answer = checkpoint.answer
        self._start()
        self._anew = ForkLock(self._start)
        backbone: Any = self._backbone
        backbone.set_attn_implementation(NAME)
        answer_at_ends(backbone)
        self._packed = pack_linears(backbone)
        self._budget = tokens_per_pass or self._best_budget()

    def _best_budget(self) -> int:
        kind = self._answer.device.type
        return PACKED_TOKENS_PER_PASS if self._packed else TOKENS_PER_PASS.get(kind, 4096)

    def _start(self) -> None:
        """With nothing to do; in a forked child too, where nobody finishes what was begun."""
        self._planner = Planner()
        self._turn = threading.Condition()
        self._busy = False

    def log_odds(self, queries: Sequence[EncodedQuery]) -> list[list[float]]:
        """The log-odds of each query's documents, in the order they came.

        Source of the score: the difference of the "yes" and "no" logits at the last
        position, as in the Qwen3-Reranker model card.

        Args:
            queries: Any number of them.

        Raises:
            ScorerError: The device has no memory for one of the documents.
        """
        dismiss_team(self._answer.device)
        asked = [Asked(query) for query in queries]
        with self._turn:
            self._planner.ask(asked)
        try:
            self._see_through(asked)
        finally:
            with self._turn:
                self._planner.withdraw(asked)
        return [a.odds for a in asked]

    def _see_through(self, asked: list[Asked]) -> None:
        """Until all is answered: run a pass whenever no other thread does.

        A pass takes whatever waits, in the order it came, so whoever runs it works for all.
        """
        done = 0
        while not all(a.finished for a in asked):
            if self._my_turn(asked, done):
                self._lead()
            done = _count(asked)
        for a in asked:
            if a.error is not None:
                raise a.error

    def _my_turn(self, asked: list[Asked], done: int) -> bool:
        """Wait until this thread may run a pass (true), or another one's brought news."""

        def news() -> bool:
            return _count(asked) > done or all(a.finished for a in asked)

        with self._turn:
            self._turn.wait_for(lambda: not self._busy or news())
            mine = not self._busy and not news()
            self._busy = self._busy or mine
            return mine

    def _lead(self) -> None:
        try:
            with self._turn:
                plan = self._planner.draw(self._budget)
            if plan.segments:
                on_worker(self._answer.device, lambda: self._pass(plan))
        finally:
            with self._turn:
                self._busy = False
                self._turn.notify_all()

    def _pass(self, plan: Plan) -> None:
        try:
            answers = self._answers(plan.segments)
        except Exception as error:  # whatever it is, all whose documents are in it must hear
            with self._turn:
                self._planner.fail(plan, error)
        else:
            with self._turn:
                self._planner.commit(plan, answers)

    def _answers(self, segments: Sequence[Segment]) -> Sequence[float | ScorerError]:
        """One answer for each tail; where memory runs out, halves are tried one by one."""
        try:
            return self._forward(segments)
        except torch.cuda.OutOfMemoryError as error:
            if len(segments) == 1:
                return _no_room(segments[0], error)
        # outside the handler, so that the error's frames no longer hold the pass's tensors
        torch.cuda.empty_cache()
        half = len(segments) // 2
        self._budget = min(self._budget, max(sum(len(s.ids) for s in segments) // 2, LEAST_BUDGET))
        return [*self._answers(segments[:half]), *self._answers(segments[half:])]

    @torch.inference_mode()
    def _forward(self, segments: Sequence[Segment]) -> list[float]:
        tokens = sum(len(s.ids) for s in segments)
        rest = padded(tokens) - tokens if self._packed else 0
        pack = Pack(segments, self._answer.device, rest)
        with running(pack):
            hidden = self._backbone(
                input_ids=pack.ids, position_ids=pack.positions, use_cache=False
            ).last_hidden_state
        odds: list[float] = (hidden[0, pack.ends].float() @ self._answer).tolist()
        return odds


def _count(asked: Sequence[Asked]) -> int:
    return sum(len(a.odds) for a in asked)


def _no_room(segment: Segment, error: Exception) -> list[float | ScorerError]:
    failure = ScorerError(
        f"the device has no memory for {segment.start + len(segment.ids)} tokens on their own; "
        f"lower max_length: {error}"
    )
    if segment.kept is not None:  # a head: nothing that hangs on it can be answered
        raise failure from error
    return [failure]
