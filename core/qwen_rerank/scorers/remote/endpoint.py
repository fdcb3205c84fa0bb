"""One server: its dialect once it is known, its limits, its breaker."""

from __future__ import annotations

import logging
import threading
import time
from copy import copy
from dataclasses import dataclass, field
from functools import partial

from qwen_rerank._threads import run_now_and_after_fork
from qwen_rerank.errors import (
    ConfigError,
    RemoteRejectedError,
    ScorerError,
    ScorerUnavailableError,
)
from qwen_rerank.scorers.breaker import CircuitBreaker
from qwen_rerank.scorers.remote.deadline import Deadline
from qwen_rerank.scorers.remote.dialects import Dialect
from qwen_rerank.scorers.remote.handshake import CanaryError, Handshake
from qwen_rerank.scorers.remote.limits import RequestLimits, smallest
from qwen_rerank.scorers.remote.sender import Sender
from qwen_rerank.types import RerankRequest, Scores

logger = logging.getLogger(__name__)


def refuses_all(failure: Exception) -> bool:
    """Whether a server refused for a reason that does not depend on the request."""
    return isinstance(failure, RemoteRejectedError) and not failure.of_request


def concerns_server(failure: ScorerError) -> bool:
    """Whether another server may do better."""
    return not isinstance(failure, RemoteRejectedError) or refuses_all(failure)


@dataclass(eq=False, slots=True, weakref_slot=True)
class Endpoint:
    """A server under one base URL. Thread-safe."""

    handshake: Handshake
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)
    in_flight: int = 0
    last_failure: ScorerError | None = None
    """Without its frames, which would keep documents alive."""
    _refused_at: float = 0.0
    """When a handshake last ended with a refusal or a failed canary."""
    _known: tuple[Dialect, str] | None = None
    _preparing: threading.Lock = field(init=False)
    _limits: RequestLimits = field(init=False)

    def __post_init__(self) -> None:
        self._forget()
        run_now_and_after_fork(self._reset)

    def _reset(self) -> None:
        """At the start, and in a forked child, which lacks the thread of a running handshake."""
        self._preparing = threading.Lock()

    @property
    def base_url(self) -> str:
        """Where the server is."""
        return self.handshake.base_url

    def score(self, request: RerankRequest, deadline: Deadline) -> Scores:
        """Scores in the documents' order; the first call does the handshake.

        Raises:
            ScorerError: As `Handshake.run`, `RerankClient.post` and `Sender.score` raise.
            ConfigError: The server can't do what the settings want.
        """
        dialect, url = self._dialect_and_url(deadline)
        if request.instruction is not None and dialect.instruction is None:
            raise ConfigError(
                f"{self.base_url} speaks {dialect.name!r}, which has no way to pass an "
                "instruction; leave it out, or use a server that takes one"
            )
        self._limits.takes_blanks &= dialect.takes_blanks
        self._limits.takes_images = dialect.image_form is not None and not self.handshake.wraps
        post = partial(self.handshake.post, dialect, url, deadline)
        return Sender(post, self._limits).score(request)

    def max_documents(self) -> int | None:
        """The server's limit per request, as far as it is known."""
        dialect = self._known[0] if self._known else self.handshake.named_dialect()
        return smallest([dialect.max_documents if dialect else None, self._limits.documents])

    def max_bytes(self) -> int | None:
        """The server's limit for the texts of a request, as far as it is known."""
        return self._limits.bytes

    def note(self, failure: ScorerError | None) -> None:
        """Tell the breaker how a call ended; `None` means that there are scores."""
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
        self._known, self._limits = None, RequestLimits(self.handshake.wrap.max_length)

    def _dialect_and_url(self, deadline: Deadline) -> tuple[Dialect, str]:
        known = self._known
        if known is None:
            began = time.monotonic()
            if not self._preparing.acquire(timeout=deadline.left()):
                raise ScorerUnavailableError(f"{self.base_url}: no answer to a handshake in time")
            try:
                self._known = known = self._known or self._run_handshake(began, deadline)
            finally:
                self._preparing.release()
        return known

    def _run_handshake(self, began: float, deadline: Deadline) -> tuple[Dialect, str]:
        """Raises what another call's handshake raised while this call waited for it."""
        if self._refused_at > began and self.last_failure is not None:
            raise copy(self.last_failure)
        try:
            return self.handshake.run(deadline)
        except (CanaryError, RemoteRejectedError) as failure:
            self._refused_at, self.last_failure = time.monotonic(), copy(failure)
            raise
