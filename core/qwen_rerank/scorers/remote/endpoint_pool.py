"""The servers of one scorer: which one gets a request, which one is next, when to give up."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from copy import copy

from qwen_rerank._threads import run_now_and_after_fork
from qwen_rerank.call import current_call
from qwen_rerank.errors import (
    BadScoresError,
    RemoteRejectedError,
    ScorerError,
    ScorerUnavailableError,
)
from qwen_rerank.scorers.remote.deadline import Deadline
from qwen_rerank.scorers.remote.endpoint import Endpoint, concerns_server, refuses_all
from qwen_rerank.scorers.remote.limits import smallest
from qwen_rerank.scorers.remote.retry import RetryBudget, jittered_wait
from qwen_rerank.types import RerankRequest, Scores

Failures = dict[Endpoint, ScorerError]


class EndpointPool:
    """Sends each request to the least busy server, and holds the only retry loop.

    After a failure another server gets the request at once. A server that already failed in
    this call gets it again only after a wait, while the retry budget lasts, and only if its
    `Retry-After` fits into the deadline. A server that refuses every request gets it once per
    call, and that counts as none of the attempts.
    """

    def __init__(self, endpoints: Sequence[Endpoint], max_retries: int) -> None:
        self.endpoints = list(endpoints)
        self._max_retries = max_retries
        self._budget = RetryBudget()
        run_now_and_after_fork(self._reset)
        self._turn = 0

    def score(self, request: RerankRequest, deadline: Deadline) -> Scores:
        """The scores of one batch, from the first server that gives them.

        Raises:
            ScorerError: The last failure, when no server answered; a refusal of every request
                only if all servers refuse.
        """
        self._budget.earn()
        failures: Failures = {}
        attempt = 0
        while attempt <= self._max_retries:
            endpoint = self._next(failures, attempt, deadline)
            spare = attempt < self._max_retries and self._another_is_left(endpoint, failures)
            try:
                return self._score_at(endpoint, request, _share(deadline, spare=spare))
            except ScorerError as failure:
                if not concerns_server(failure):
                    raise
                failures.pop(endpoint, None)  # so that the last failure stands last
                failures[endpoint] = failure
                attempt += not refuses_all(failure)
        raise self._final_failure(failures)

    def limits(self) -> tuple[int | None, int | None]:
        """The smallest limits per request among the servers, in documents and in bytes."""
        documents = smallest(endpoint.max_documents() for endpoint in self.endpoints)
        return documents, smallest(endpoint.max_bytes() for endpoint in self.endpoints)

    def _next(self, failures: Failures, attempt: int, deadline: Deadline) -> Endpoint:
        """The server that gets the request; raises if there is none, or none in time."""
        endpoint = self._lease(failures)
        refused = [e for e, failure in failures.items() if refuses_all(failure)]
        if endpoint is None and len(refused) < len(failures):
            self._wait(_worst(list(failures.values())), attempt, deadline)
            endpoint = self._lease(refused)
        if endpoint is None:
            raise self._final_failure(failures) if failures else self._all_open()
        return endpoint

    def _lease(self, avoided: Collection[Endpoint]) -> Endpoint | None:
        """The least busy server whose breaker lets a call through, counted as busier by one."""
        with self._lock:
            self._turn += 1
            turned = self.endpoints[self._turn % len(self.endpoints) :] + self.endpoints
            wanted = [e for e in dict.fromkeys(turned) if e not in avoided]
            for endpoint in sorted(wanted, key=lambda e: e.in_flight):
                if endpoint.breaker.admit():
                    endpoint.in_flight += 1
                    return endpoint
        return None

    def _another_is_left(self, endpoint: Endpoint, failures: Failures) -> bool:
        """Whether to keep time for another server: not for one whose breaker is open."""
        others = (e for e in self.endpoints if e is not endpoint and e not in failures)
        return any(other.breaker.closed for other in others)

    def _score_at(self, endpoint: Endpoint, request: RerankRequest, deadline: Deadline) -> Scores:
        try:
            scores = endpoint.score(request, deadline)
        except ScorerError as failure:
            endpoint.note(failure)
            raise
        except BaseException:
            endpoint.breaker.abandoned()
            raise
        else:
            endpoint.note(None)
            return scores
        finally:
            with self._lock:
                endpoint.in_flight -= 1

    def _wait(self, failure: ScorerError, attempt: int, deadline: Deadline) -> None:
        """Sleep before a server gets the request again; raises the failure if that is no use."""
        if not isinstance(failure, ScorerUnavailableError):
            raise failure
        wait = max(jittered_wait(attempt - 1), failure.retry_after or 0.0)
        if wait >= deadline.left() or not self._budget.spend():
            raise failure
        cancelled = threading.Event()
        with current_call().stopping(cancelled.set):
            cancelled.wait(wait)  # then the next request raises

    def _final_failure(self, failures: Failures) -> ScorerError:
        """The last failure, of servers with an open breaker too; a refusal only if all refuse."""
        skipped = [e for e in self.endpoints if e not in failures and not e.breaker.closed]
        before = [copy(e.last_failure) for e in skipped if e.last_failure is not None]
        return _worst([*before, *failures.values()])

    def _all_open(self) -> ScorerError:
        before = _worst([e.last_failure for e in self.endpoints if e.last_failure is not None])
        seconds = min(endpoint.breaker.seconds_open() for endpoint in self.endpoints)
        message = f"no request was sent, the next try is in {seconds:.0f} s; last failure: {before}"
        if isinstance(before, RemoteRejectedError):
            return RemoteRejectedError(message, status=before.status)
        kind = BadScoresError if isinstance(before, BadScoresError) else ScorerUnavailableError
        return kind(message)

    def _reset(self) -> None:
        """At the start, and in a forked child, which has no call in flight."""
        self._lock = threading.Lock()
        for endpoint in self.endpoints:
            endpoint.in_flight = 0


def _share(deadline: Deadline, *, spare: bool) -> Deadline:
    """Half of the time while another server is left, else all of it."""
    return deadline.within(deadline.left() / 2) if spare else deadline


def _worst(failures: Sequence[ScorerError]) -> ScorerError:
    return next((f for f in reversed(failures) if not refuses_all(f)), failures[-1])
