"""The servers of one scorer: who is asked, who is asked next, and when to give up."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence

from qwen_rerank.errors import BadScoresError, ScorerError, ScorerUnavailableError
from qwen_rerank.remote.deadline import Deadline
from qwen_rerank.remote.endpoint import Endpoint
from qwen_rerank.remote.question import Question
from qwen_rerank.remote.retry import RetryBudget, jittered_wait

Failures = dict[Endpoint, ScorerError]


class Fleet:
    """Sends each question to the least busy server, and holds the only retry loop.

    After a failure another server is asked at once. One that already failed in this call is
    asked again only after a wait, while the retry budget lasts, and if the wait that it asks
    for fits into the deadline.
    """

    def __init__(self, endpoints: Sequence[Endpoint], max_retries: int) -> None:
        self.endpoints = list(endpoints)
        self._max_retries = max_retries
        self._budget = RetryBudget()
        self._lock = threading.Lock()
        self._turn = 0

    def ask(self, question: Question, deadline: Deadline) -> list[float]:
        """Scores of one batch, from whichever server gives them first.

        Raises:
            ScorerError: The last failure, when no server answered.
        """
        self._budget.earn()
        failures: Failures = {}
        for attempt in range(1 + self._max_retries):
            endpoint = self._lease(failures)
            if endpoint is None and failures:
                self._wait(failures, attempt, deadline)
                endpoint = self._lease(())
            if endpoint is None:
                raise self._all_rest(failures)
            spare = attempt < self._max_retries and len(failures) + 1 < len(self.endpoints)
            try:
                return self._ask_one(endpoint, question, _share(deadline, spare=spare))
            except (ScorerUnavailableError, BadScoresError) as failure:
                failures.pop(endpoint, None)  # so that the last failure stands last
                failures[endpoint] = failure
        raise _last(failures)

    def most_documents(self) -> int | None:
        """The smallest limit per request among the servers, as far as it is known."""
        limits = [endpoint.most_documents() for endpoint in self.endpoints]
        return min((limit for limit in limits if limit is not None), default=None)

    def _lease(self, avoided: Collection[Endpoint]) -> Endpoint | None:
        """The least busy server that is well, marked as busier by one."""
        with self._lock:
            self._turn += 1
            turned = self.endpoints[self._turn % len(self.endpoints) :] + self.endpoints
            wanted = [e for e in dict.fromkeys(turned) if e not in avoided]
            for endpoint in sorted(wanted, key=lambda e: e.in_flight):
                if endpoint.breaker.admit():
                    endpoint.in_flight += 1
                    return endpoint
        return None

    def _ask_one(self, endpoint: Endpoint, question: Question, deadline: Deadline) -> list[float]:
        try:
            scores = endpoint.score(question, deadline)
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

    def _wait(self, failures: Failures, attempt: int, deadline: Deadline) -> None:
        """Sleep before a server is asked again; raises the last failure if that is no use."""
        failure = _last(failures)
        if not isinstance(failure, ScorerUnavailableError):
            raise failure
        wait = max(jittered_wait(attempt), failure.retry_after or 0.0)
        if wait >= deadline.left() or not self._budget.spend():
            raise failure
        time.sleep(wait)

    def _all_rest(self, failures: Failures) -> ScorerError:
        if failures:
            return _last(failures)
        first = min(self.endpoints, key=lambda e: e.breaker.rests_for())
        kind = BadScoresError if isinstance(first.last_failure, BadScoresError) else None
        seconds = first.breaker.rests_for()
        return (kind or ScorerUnavailableError)(
            f"not asked, the next try is in {seconds:.0f} s; before: {first.last_failure}"
        )


def _share(deadline: Deadline, *, spare: bool) -> Deadline:
    """Half of the time while another server could still be asked, else all of it."""
    return deadline.within(deadline.left() / 2) if spare else deadline


def _last(failures: Failures) -> ScorerError:
    return list(failures.values())[-1]
