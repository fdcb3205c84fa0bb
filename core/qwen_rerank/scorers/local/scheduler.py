"""Decides which tokens share a pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from qwen_rerank.errors import ScorerError
from qwen_rerank.scorers.local.batch import Past, Segment
from qwen_rerank.scorers.local.encoder import EncodedQuery

SHARED_TOKENS = 128
"""The most tokens of a head whose keys stay after its query: the words all queries share."""
WORTHWHILE = 16
"""Fewer shared tokens are computed again."""


@dataclass(eq=False, slots=True)
class Asked:
    """A query with its documents, and how far it is answered."""

    query: EncodedQuery
    odds: list[float] = field(default_factory=list)
    """Of the documents so far, in the order they came."""
    past: Past | None = None
    """Of the head, once a pass has computed it."""
    error: Exception | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do for it."""
        return self.error is not None or len(self.odds) == len(self.query.tails)


@dataclass(slots=True)
class Plan:
    """The segments of one pass, and whose they are."""

    segments: list[Segment] = field(default_factory=list)
    owners: list[Asked] = field(default_factory=list)
    """One for each segment."""
    tokens: int = 0

    def add(self, owner: Asked, segment: Segment) -> None:
        """Append a segment."""
        self.segments.append(segment)
        self.owners.append(owner)
        self.tokens += len(segment.ids)


class Planner:
    """Fills passes with documents, first come, first served, whoever asked.

    What waits is changed only by `commit`, so that a pass that fails leaves no trace.
    """

    def __init__(self) -> None:
        self._waiting: list[Asked] = []
        self._recent: Past | None = None

    def ask(self, asked: Iterable[Asked]) -> None:
        """Queue up."""
        self._waiting.extend(a for a in asked if not a.finished)

    def withdraw(self, asked: Iterable[Asked]) -> None:
        """Leave the queue, answered or not."""
        gone = set(map(id, asked))
        self._waiting = [a for a in self._waiting if id(a) not in gone]

    def draw(self, budget: int) -> Plan:
        """As many waiting documents as fit into `budget` tokens, and at least one."""
        plan, recent = Plan(), self._recent
        for asked in self._waiting:
            head = _head(asked, recent)
            left = asked.query.tails[len(asked.odds) :]
            count = _fitting(left, budget - plan.tokens - len(head.ids))
            if count == 0 and plan.segments:
                break
            recent = _fill(plan, asked, head, left[: max(count, 1)])
            if count < len(left):
                break
        return plan

    def commit(self, plan: Plan, answers: Sequence[float | ScorerError]) -> None:
        """Note a pass's answers, one for each tail of its plan."""
        left = iter(answers)
        for segment, asked in zip(plan.segments, plan.owners, strict=True):
            if segment.kept is None:
                _note(asked, segment, next(left))
            else:
                self._recent = segment.kept
        self._waiting = [asked for asked in self._waiting if not asked.finished]
        if not self._waiting and self._recent is not None:
            self._recent = self._recent.first(SHARED_TOKENS)

    def fail(self, plan: Plan, error: Exception) -> None:
        """Note that a pass could not be done for anybody in it."""
        for asked in plan.owners:
            asked.error = asked.error or error
        self._waiting = [asked for asked in self._waiting if not asked.finished]


def _note(asked: Asked, segment: Segment, answer: float | ScorerError) -> None:
    asked.past = segment.past
    if isinstance(answer, ScorerError):
        asked.error = asked.error or answer
    else:
        asked.odds.append(answer)


def _head(asked: Asked, recent: Past | None) -> Segment:
    """What is still to compute of the head: all, the rest behind shared words, or nothing."""
    tokens = asked.query.head
    if asked.past is not None:
        return Segment((), asked.past, len(tokens))
    shared = _common(recent.tokens, tokens) if recent is not None else 0
    if shared < WORTHWHILE:
        recent, shared = None, 0
    if shared == len(tokens):
        return Segment((), recent, shared)
    return Segment(tokens[shared:], recent, shared, Past(tokens))


def _fill(plan: Plan, asked: Asked, head: Segment, tails: Sequence[Sequence[int]]) -> Past | None:
    """Add tails, behind their head where it has something to compute; return their past."""
    past = head.past if head.kept is None else head.kept
    if head.kept is not None:
        plan.add(asked, head)
    for tail in tails:
        plan.add(asked, Segment(tail, past, len(asked.query.head)))
    return past


def _fitting(tails: Sequence[Sequence[int]], room: int) -> int:
    """How many of the first tails fit into `room` tokens."""
    count = 0
    for tail in tails:
        room -= len(tail)
        if room < 0:
            break
        count += 1
    return count


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    """How many first tokens are equal."""
    pairs = zip(left, right, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
