"""One request's documents on their way through the model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from qwen_rerank.types import DocumentScore, Scores

HEAD_COST = 300
"""The prompt around a query, in bytes of text: about 70 tokens."""
TAIL_COST = 40
"""The prompt around a document."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the model: distinct documents for one query."""

    query: str
    documents: Sequence[str]
    instruction: str | None = None


@dataclass(eq=False, slots=True)
class Job:
    """A question, how much of it the model has got, and where the answer goes.

    Costs are in bytes of UTF-8, which follow the number of tokens closely enough in English
    and Chinese alike, and cost nothing to know.
    """

    question: Question
    answer: asyncio.Future[Scores]
    deadline: float
    """On the event loop's clock."""
    arrived: float
    costs: list[int] = field(init=False)
    taken: int = field(init=False, default=0)
    """How many documents the model has got."""
    scores: list[DocumentScore] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.costs = [len(text.encode()) + TAIL_COST for text in self.question.documents]

    @property
    def waiting(self) -> int:
        """Documents that the model has not got yet."""
        return len(self.costs) - self.taken

    @property
    def head_cost(self) -> int:
        """What each call pays for this job besides its documents."""
        return HEAD_COST + len(self.question.query.encode())

    def receive(self, scores: Scores) -> None:
        """Take the scores of the next documents; the last ones answer the question."""
        if self.answer.done():
            return
        self.scores += scores.documents
        if len(self.scores) == len(self.costs):
            self.answer.set_result(Scores(tuple(self.scores)))
