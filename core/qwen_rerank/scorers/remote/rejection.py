"""What a server means by a reply that is no success."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from qwen_rerank.errors import RemoteRejectedError, ScorerError, ScorerUnavailableError
from qwen_rerank.scorers.remote.http_client import HttpReply
from qwen_rerank.scorers.remote.response import excerpt
from qwen_rerank.scorers.remote.retry import retry_after_seconds

Cause = Literal["count", "bytes", "length", "other"]

_TOO_MANY = ("batch size", " documents, and ")
"""How servers say that they want fewer documents; the second one is this project's."""
_TOO_LONG = re.compile(
    r"too long|too many tokens|token limit|less than \d+ tokens"
    r"|(?:maximum|model'?s?) (?:context|model|sequence|input|allowed) length"
    r"|context (?:length|size|window)|range of input length|too large to process"
)
"""How servers say that a document is too long for the model.

In this order: vLLM and others, TEI, vLLM and SGLang, llama.cpp, DashScope, llama.cpp."""
_TOO_LONG_FOR_LLAMA_CPP = re.compile(r"too large to process|available context size")
"""What llama.cpp says with the status 500; "too long" may be a timeout there."""
_LIMIT = re.compile(r"(?:length(?: is| of)?|context size|less than|batch size:) \(?(\d{1,9})\b")
_GIVEN = re.compile(r"(?:given:|request(?:ed)?|(?:has|contains)|input(?: length)?) \(?(\d{1,9})\b")
_REFUSES_ALL = {401, 402, 403, 404, 405, 407, 410, 501}
"""A wrong key, a wrong route, no rerank route: the same for every request, as redirects are."""
_MAY_HEAL = {408, 425, 429, 500, *range(502, 600)}


@dataclass(frozen=True, slots=True)
class Rejection:
    """A server refused one request; it may well take another one."""

    cause: Cause
    """What is too large: the number of documents, the bytes of the request, the length of a
    document in tokens; or something else."""
    error: RemoteRejectedError
    """What to raise when no other request helps."""
    limit: int | None = None
    """The tokens of query and document that the server takes, if it says so."""
    given: int | None = None
    """The tokens that it got, if it says so."""


def failure_of(url: str, reply: HttpReply) -> Rejection | ScorerError:
    """What a reply outside 200 to 299 means.

    Args:
        url: Where the request went, for the message.
        reply: Without the key.
    """
    status, text = reply.status, reply.body[:2000].decode("utf-8", "replace").lower()
    message = f"{url} answered {status}: {excerpt(reply.body)}"
    if status < 400:
        return _redirect(url, reply)
    if _is_too_long(status, text):
        return _too_long(message, status, text)
    if status == 413 or (status in (400, 422) and "batch size" in text):
        cause: Cause = "count" if any(words in text for words in _TOO_MANY) else "bytes"
        return _rejection(cause, message, status)
    if status in _MAY_HEAL or "queue is full" in text:  # SGLang says that with 400
        return ScorerUnavailableError(message, retry_after=retry_after_seconds(reply.retry_after))
    if status in _REFUSES_ALL:
        return RemoteRejectedError(message, status=status)
    return _rejection("other", message, status)


def _redirect(url: str, reply: HttpReply) -> RemoteRejectedError:
    target = excerpt((reply.location or "").encode())
    return RemoteRejectedError(
        f"{url} answered {reply.status}, a redirect to {target}: it is not followed, "
        "for the key and the documents would go there; set base_url to the final address",
        status=reply.status,
    )


def _is_too_long(status: int, text: str) -> bool:
    if status == 500:
        return _TOO_LONG_FOR_LLAMA_CPP.search(text) is not None
    return status in (400, 413, 422) and _TOO_LONG.search(text) is not None


def _too_long(message: str, status: int, text: str) -> Rejection:
    error = RemoteRejectedError(message, status=status, of_request=True)
    limit, given = (_number(pattern, text) for pattern in (_LIMIT, _GIVEN))
    if limit is None or given is None or given <= limit:
        given = None
    return Rejection("length", error, limit, given)


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    return int(found[1]) if found else None


def _rejection(cause: Cause, message: str, status: int) -> Rejection:
    return Rejection(cause, RemoteRejectedError(message, status=status, of_request=True))
