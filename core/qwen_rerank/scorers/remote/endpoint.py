"""One server: its dialect, its limits, its breaker, and whether its scores mean anything."""

from __future__ import annotations

import logging
import time
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from qwen_rerank.errors import (
    BadScoresError,
    ConfigError,
    RemoteRejectedError,
    ScorerError,
    ScorerUnavailableError,
)
from qwen_rerank.fork_lock import ForkLock
from qwen_rerank.scorers.breaker import CircuitBreaker
from qwen_rerank.scorers.remote import canary
from qwen_rerank.scorers.remote.address import known_dialect, route
from qwen_rerank.scorers.remote.batches import score_in_halves
from qwen_rerank.scorers.remote.deadline import Deadline
from qwen_rerank.scorers.remote.detection import Found, detect
from qwen_rerank.scorers.remote.dialects import AUTO, DIALECTS, OWN, TEI, Dialect, Template
from qwen_rerank.scorers.remote.limits import RequestLimits, smallest
from qwen_rerank.scorers.remote.question import Question
from qwen_rerank.scorers.remote.rejection import Rejection
from qwen_rerank.scorers.remote.rerank_client import Read, RerankClient
from qwen_rerank.scorers.remote.template import ClientTemplate
from qwen_rerank.types import Scores

logger = logging.getLogger(__name__)


class CanaryError(BadScoresError):
    """A server's scores are in form, but mean nothing."""


@dataclass(frozen=True, slots=True)
class Checkup:
    """What the first look at a server found."""

    base_url: str
    dialect: str
    scores: list[float]
    """Of `canary.DOCUMENTS`; empty if they were not asked for."""
    problem: str | None
    """The likely cause and the remedy; `None` if all is well."""


def refuses_all(failure: ScorerError) -> bool:
    """Whether a server refused in a way that does not depend on what was asked."""
    return isinstance(failure, RemoteRejectedError) and not failure.of_request


def concerns_server(failure: ScorerError) -> bool:
    """Whether another server may do better."""
    return not isinstance(failure, RemoteRejectedError) or refuses_all(failure)


@dataclass(eq=False, slots=True)
class Endpoint:
    """A server under one base URL. Thread-safe."""

    base_url: str
    model: str
    dialect: str
    template: Template
    wrap: ClientTemplate
    canary: bool
    client: RerankClient = field(repr=False)
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)
    in_flight: int = 0
    last_failure: ScorerError | None = None
    """Without its frames, which would keep documents alive."""
    _refused_at: float = 0.0
    """When a first look last ended with a refusal, or the canary dead."""
    _known: tuple[Dialect, str] | None = None
    _preparing: ForkLock = field(default_factory=ForkLock)
    _limits: RequestLimits = field(default_factory=RequestLimits)

    def score(self, question: Question, deadline: Deadline) -> Scores:
        """Scores in the documents' order; the first call looks at the server before.

        Raises:
            ScorerError: As `RerankClient.post` raises, the canary failed, or the server
                rejects the request.
            ConfigError: The server can't do what the settings want.
        """
        dialect, url = self._dialect_and_url(deadline)
        self._check_instruction(dialect, question)
        return score_in_halves(partial(self._post, url, dialect, deadline), question, self._limits)

    def max_documents(self) -> int | None:
        """The server's limit per request, as far as it is known."""
        known = self._known
        dialect = known[0] if known else self._named_dialect()
        return smallest([dialect.max_documents if dialect else None, self._limits.documents])

    def max_bytes(self) -> int | None:
        """The server's limit for the texts of a request, as far as it is known."""
        return self._limits.bytes

    def check(self, deadline: Deadline) -> Checkup:
        """Look at the server now: its dialect, and its scores for known answers.

        Raises:
            ScorerError: As `RerankClient.post` raises.
            ConfigError: The server can't do what the settings want.
        """
        found = self._look(deadline)
        return Checkup(self.base_url, found.dialect.name, found.scores, self._verdict(found))

    def note(self, failure: ScorerError | None) -> None:
        """Tell the breaker how a call ended; `None` means well."""
        if failure is None or not concerns_server(failure):
            if self.breaker.succeeded():
                logger.warning("%s answers again", self.base_url)
            return
        self.last_failure = copy(failure)
        if self.breaker.failed(at_once=isinstance(failure, CanaryError)):
            self._forget()
            seconds = self.breaker.seconds_open()
            reason = str(failure)  # a log handler may keep what it gets, and so the documents
            logger.warning("%s gets no request for %.0f s: %s", self.base_url, seconds, reason)

    def _forget(self) -> None:
        """The server that comes back may be another one."""
        self._known, self._limits = None, RequestLimits()

    def _dialect_and_url(self, deadline: Deadline) -> tuple[Dialect, str]:
        known = self._known
        if known is None:
            came = time.monotonic()
            if not self._preparing.acquire(timeout=deadline.left()):
                raise ScorerUnavailableError(f"{self.base_url}: no answer to a first look in time")
            try:
                known = self._known or self._first_look_since(came, deadline)
            finally:
                self._preparing.release()
        return known

    def _first_look_since(self, came: float, deadline: Deadline) -> tuple[Dialect, str]:
        """A first look; or the refusal that another call got while this one waited for it."""
        if self._refused_at > came and self.last_failure is not None:
            raise copy(self.last_failure)
        try:
            return self._first_look(deadline)
        except (CanaryError, RemoteRejectedError) as failure:
            self._refused_at, self.last_failure = time.monotonic(), copy(failure)
            raise

    def _first_look(self, deadline: Deadline) -> tuple[Dialect, str]:
        dialect = self._named_dialect()
        if dialect is not None and not self.canary:
            self._known = dialect, route(self.base_url, dialect.path, self.model)
            return self._known
        try:
            found = self._look(deadline)
        except RemoteRejectedError as refusal:  # of our own question: no caller's is at fault
            message = f"{self.base_url} refuses a harmless question: {refusal}"
            raise RemoteRejectedError(message, status=refusal.status) from refusal
        problem = self._verdict(found) if self.canary else None
        if problem is not None:
            raise CanaryError(f"{self.base_url} fails the canary: {problem}")
        self._known = found.dialect, found.url
        return self._known

    def _look(self, deadline: Deadline) -> Found:
        question = self._canary_question()
        dialect = self._named_dialect()
        if dialect is None:
            found = detect(partial(self._post_or_raise, deadline), self.base_url, question)
        else:
            url = route(self.base_url, dialect.path, self.model)
            outcome = self._post(url, dialect, deadline, question)
            if isinstance(outcome, Rejection):
                raise outcome.error
            found = Found(dialect, url, outcome)
        self._check_template(found.dialect)
        return found

    def _named_dialect(self) -> Dialect | None:
        return DIALECTS[self.dialect] if self.dialect != AUTO else known_dialect(self.base_url)

    def _canary_question(self) -> Question:
        question = canary.question(self.model)
        return self.wrap(question)[0] if self.template == "client" else question

    def _verdict(self, found: Found) -> str | None:
        """Our own server names its model itself, and TEI holds no Qwen3 reranker."""
        others = found.dialect.name in (OWN.name, TEI.name)
        qwen3 = "qwen3-reranker" in self.model.lower() and not others
        return canary.verdict(found.scores, qwen3=qwen3)

    def _check_template(self, dialect: Dialect) -> None:
        if self.template == "client" and not dialect.clients_template:
            raise ConfigError(
                f'template="client" does not suit {self.base_url}: a server of the kind '
                f"{dialect.name!r} applies its own template, or alters the client's"
            )

    def _check_instruction(self, dialect: Dialect, question: Question) -> None:
        if question.instruction is not None and dialect.instruction is None:
            raise ConfigError(
                f"{self.base_url} speaks {dialect.name!r}, which has no way to pass an "
                "instruction; leave it out, or use a server that takes one"
            )

    def _post(
        self, url: str, dialect: Dialect, deadline: Deadline, question: Question
    ) -> list[float] | Rejection:
        count = len(question.documents)
        body = dialect.request(question)
        return self.client.post(url, body, lambda reply: dialect.read(reply, count), deadline)

    def _post_or_raise(
        self, deadline: Deadline, url: str, body: dict[str, Any], read: Read
    ) -> list[float]:
        outcome = self.client.post(url, body, read, deadline)
        if isinstance(outcome, Rejection):
            raise outcome.error
        return outcome
