"""Posts a rerank request to one server and returns scores, or what the server refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from qwen_rerank.errors import (
    BadScoresError,
    ScorerError,
    ScorerUnavailableError,
)
from qwen_rerank.scorers.remote.deadline import Deadline
from qwen_rerank.scorers.remote.http_client import HttpClient, HttpFailure, HttpReply
from qwen_rerank.scorers.remote.rejection import Rejection, failure_of
from qwen_rerank.scorers.remote.response import parse
from qwen_rerank.types import Scores

Read = Callable[[Any], Scores]
"""Scores from the JSON value of a reply; raises BadScoresError."""


class RerankClient:
    """Talks to the routes of one server; keeps the key out of everything that is raised."""

    def __init__(self, api_key: SecretStr | None) -> None:
        self._api_key = api_key
        self._http = HttpClient(api_key)

    def post(
        self, url: str, body: dict[str, Any], read: Read, deadline: Deadline
    ) -> Scores | Rejection:
        """Post a body and read the scores.

        Returns:
            The scores, or the rejection of this one request.

        Raises:
            ScorerUnavailableError: The server is out of reach, overloaded or broken.
            RemoteRejectedError: It refuses every request.
            BadScoresError: The reply holds something else than scores.
        """
        outcome = self._outcome(url, _encode(body), read, deadline)
        if isinstance(outcome, ScorerError):
            raise outcome  # here, where no frame holds the reply or an exception of requests
        return outcome

    def _outcome(
        self, url: str, body: bytes, read: Read, deadline: Deadline
    ) -> Scores | Rejection | ScorerError:
        reply = self._http.post(url, body, deadline)
        if isinstance(reply, HttpFailure):
            kind = BadScoresError if reply.invalid else ScorerUnavailableError
            return kind(self._masked(f"{url}: {reply.reason}"))
        if not 200 <= reply.status < 300:
            return failure_of(url, self._without_key(reply))
        try:
            return self._masked_scores(read(parse(reply.body)))
        except BadScoresError:
            return BadScoresError(f"{url}: {self._what_is_wrong(reply, read)}")

    def _what_is_wrong(self, reply: HttpReply, read: Read) -> str:
        """Why a reply can't be read; found anew, so that the message quotes it without the key."""
        try:
            read(parse(self._without_key(reply).body))
        except BadScoresError as error:
            return self._masked(str(error))
        return "the reply holds the key where a number should be"

    def _masked_scores(self, scores: Scores) -> Scores:
        """The scores; what the server says beside them without the key."""
        documents = tuple(
            replace(document, reason=self._masked(document.reason)) if document.reason else document
            for document in scores.documents
        )
        fallback = self._masked(scores.fallback) if scores.fallback else None
        return replace(scores, documents=documents, fallback=fallback)

    def _without_key(self, reply: HttpReply) -> HttpReply:
        """The reply without the key, which some servers repeat, before anything is cut."""
        body = reply.body
        for key in self._spellings():
            body = body.replace(key.encode(), b"***")
        return replace(reply, body=body, location=self._masked(reply.location or ""))

    def _masked(self, message: str) -> str:
        for key in self._spellings():
            message = message.replace(key, "***")
        return message

    def _spellings(self) -> list[str]:
        """The key as it is, and as JSON and Python write it."""
        key = self._api_key.get_secret_value() if self._api_key else ""
        return [key, json.dumps(key)[1:-1], repr(key)[1:-1]] if key else []


def _encode(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
