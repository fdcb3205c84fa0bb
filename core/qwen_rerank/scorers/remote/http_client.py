"""Asks one route and returns scores, or raises what the caller can act on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from qwen_rerank.errors import (
    BadScoresError,
    InvalidInputError,
    RemoteRejectedError,
    ScorerError,
    ScorerUnavailableError,
)
from qwen_rerank.scorers.remote.deadline import Deadline
from qwen_rerank.scorers.remote.response import excerpt, parse
from qwen_rerank.scorers.remote.retry import seconds_to_wait
from qwen_rerank.scorers.remote.transport import Answer, NoAnswer, Transport
from qwen_rerank.types import Outcome, Scores

Read = Callable[[Any], Scores]

_TOO_MANY = (b"batch size", b" documents, and ")
"""How servers say that they want fewer documents; the second one is this project's."""
_REFUSES_ALL = {401, 402, 403, 404, 405, 407, 410, 501}
"""What a server says whatever it is asked, as it says redirects: a wrong key, a wrong route."""
_MAY_HEAL = {408, 425, 429, 500, *range(502, 600)}  # 501: a server without a rerank route


class TooLargeError(RemoteRejectedError):
    """A server takes fewer documents, or fewer bytes, in one request."""

    by_count = False
    """Whether it is their number that is too large."""

    learn: Callable[[], None] | None = None
    """To call when both halves went through: it was the size, then, and not one text."""


class Client:
    """Talks to the routes of one server; keeps the key out of everything that is raised."""

    def __init__(self, api_key: SecretStr | None) -> None:
        self._api_key = api_key
        self._transport = Transport(api_key)

    def ask(self, url: str, body: dict[str, Any], read: Read, deadline: Deadline) -> Scores:
        """Post a body and read the scores.

        Raises:
            ScorerUnavailableError: The server is out of reach, overloaded or broken.
            TooLargeError: It wants smaller batches.
            RemoteRejectedError: It refuses the request.
            BadScoresError: It answers with something else than scores.
            InvalidInputError: A text is no valid Unicode.
        """
        outcome = self._outcome(url, _encode(body), read, deadline)
        if isinstance(outcome, ScorerError):
            raise outcome  # here, where neither the reply nor an exception of requests hangs on
        return outcome

    def _outcome(self, url: str, body: bytes, read: Read, deadline: Deadline) -> Outcome:
        answer = self._transport.post(url, body, deadline)
        if isinstance(answer, NoAnswer):
            kind = BadScoresError if answer.dishonest else ScorerUnavailableError
            return kind(self._clean(f"{url}: {answer.reason}"))
        if not 200 <= answer.status < 300:
            return self._refusal(url, self._masked(answer))
        try:
            return self._clean_scores(read(parse(answer.body)))
        except BadScoresError:
            return BadScoresError(f"{url}: {self._nonsense(self._masked(answer), read)}")

    def _nonsense(self, answer: Answer, read: Read) -> str:
        """What is wrong with a reply, told of the reply without the key."""
        try:
            read(parse(answer.body))
        except BadScoresError as error:
            return self._clean(str(error))
        return "the reply holds the key where a number should be"

    def _refusal(self, url: str, answer: Answer) -> ScorerError:
        status, said = answer.status, excerpt(answer.body)
        message = self._clean(f"{url} answered {status}: {said}")
        words = answer.body[:2000].lower()
        if status < 400:
            to = self._clean(excerpt((answer.location or "").encode()))
            return RemoteRejectedError(
                f"{url} answered {status}, a redirect to {to}: it is not followed, "
                "for the key and the documents would go there; set base_url to the final address",
                status=status,
            )
        if status == 413 or (status in (400, 422) and b"batch size" in words):
            refusal = TooLargeError(message, status=status, of_request=True)
            refusal.by_count = any(said in words for said in _TOO_MANY)
            return refusal
        if status in _MAY_HEAL or b"queue is full" in words:  # SGLang says that with 400
            return ScorerUnavailableError(message, retry_after=seconds_to_wait(answer.retry_after))
        return RemoteRejectedError(message, status=status, of_request=status not in _REFUSES_ALL)

    def _masked(self, answer: Answer) -> Answer:
        """The reply without the key, which servers like to repeat, before anything is cut."""
        body = answer.body
        for key in self._spellings():
            body = body.replace(key.encode(), b"***")
        return replace(answer, body=body, location=self._clean(answer.location or ""))

    def _clean_scores(self, scores: Scores) -> Scores:
        """The scores, the server's own words beside them without the key."""
        return replace(scores, fallback=self._clean(scores.fallback)) if scores.fallback else scores

    def _clean(self, message: str) -> str:
        for key in self._spellings():
            message = message.replace(key, "***")
        return message

    def _spellings(self) -> list[str]:
        """The key as it is, and as JSON and Python write it down."""
        key = self._api_key.get_secret_value() if self._api_key else ""
        return [key, json.dumps(key)[1:-1], repr(key)[1:-1]] if key else []


def _encode(body: dict[str, Any]) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        reason = f"a text is no valid Unicode: {error.reason}"
    raise InvalidInputError(reason)
