"""One HTTP exchange: bytes out, bytes in, and nothing that is not expected."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy

import requests
from pydantic import SecretStr
from requests import PreparedRequest, Response
from requests.auth import AuthBase
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError
from urllib3.util import Timeout

from qwen_rerank.fork_lock import ForkLock
from qwen_rerank.scorers.remote.connection import (
    Allowance,
    GuardedAdapter,
    ReplyTooLargeError,
    allowing,
)
from qwen_rerank.scorers.remote.deadline import Deadline

POOLED_CONNECTIONS = 256
"""As many as `Reranker` has calls in flight."""
REPLY_BYTES = 1 << 20
"""What a reply may hold besides the documents, which some servers send back."""

_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # so that no compressed bomb is ever inflated
    "Content-Type": "application/json",
    "User-Agent": "qwen-rerank",
}
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server sent back."""

    status: int
    body: bytes = field(repr=False)
    retry_after: str | None = None
    """The header of this name, as it came."""
    location: str | None = None


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Why no whole reply came."""

    reason: str
    dishonest: bool = False
    """Whether the server sent something that no rerank server sends."""


class Transport:
    """A pool of connections to one server; opens none before the first exchange.

    Follows no redirect, keeps no cookie, takes neither a proxy nor credentials from the
    environment, for these would send documents or the key elsewhere. Only the list of
    trusted authorities comes from there: `REQUESTS_CA_BUNDLE`, as everywhere in requests.
    """

    def __init__(self, api_key: SecretStr | None) -> None:
        self._auth = _Bearer(api_key)
        self._session: requests.Session | None = None
        self._lock = ForkLock(self._forget_session)

    def post(self, url: str, body: bytes, deadline: Deadline) -> Answer | NoAnswer:
        """Send a JSON body and read the whole reply, within the deadline.

        Never raises for what a server or a network does: an exception of requests holds
        the request, and so the key.
        """
        most = REPLY_BYTES + 2 * len(body)  # a server may echo documents, escaped
        allowance = Allowance(deadline, most + REPLY_BYTES)
        with allowing(allowance):
            try:
                with self._send(url, body, allowance) as response:
                    return _read(response, most)
            except (requests.RequestException, HTTPError, OSError, ValueError) as error:
                return _no_answer(error)

    def _send(self, url: str, body: bytes, allowance: Allowance) -> Response:
        return self._pool().post(
            url,
            data=body,
            headers=_HEADERS,
            auth=self._auth,
            stream=True,
            allow_redirects=False,
            timeout=Timeout(total=allowance.seconds()),  # type: ignore[arg-type]
            verify=os.environ.get("REQUESTS_CA_BUNDLE") or True,
        )

    def _pool(self) -> requests.Session:
        with self._lock:
            if self._session is None:
                self._session = _new_session()
            return self._session

    def _forget_session(self) -> None:
        """In a forked child, whose connections are the parent's."""
        self._session = None


class _Bearer(AuthBase):
    def __init__(self, api_key: SecretStr | None) -> None:
        self._api_key = api_key

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        if self._api_key is not None:
            request.headers["Authorization"] = f"Bearer {self._api_key.get_secret_value()}"
        return request


def _new_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = GuardedAdapter(pool_connections=4, pool_maxsize=POOLED_CONNECTIONS, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _read(response: Response, most: int) -> Answer | NoAnswer:
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding != "identity":
        return NoAnswer(f"the reply is {encoding}-encoded, asked was identity", dishonest=True)
    body = bytearray()
    for chunk in response.raw.stream(_CHUNK, decode_content=False):
        body += chunk
        if len(body) > most:
            return NoAnswer(f"the reply is larger than {most} bytes", dishonest=True)
    headers = response.headers
    return Answer(
        response.status_code, bytes(body), headers.get("Retry-After"), headers.get("Location")
    )


def _no_answer(error: BaseException) -> NoAnswer:
    """The innermost cause, in words; requests and urllib3 wrap it several times."""
    while not _came_too_late(error) and (inner := _inner(error)) is not None:
        error = inner
    if _came_too_late(error):
        return NoAnswer("no connection in time")
    if isinstance(error, TimeoutError):
        return NoAnswer("no whole reply in time")
    reason = f"{type(error).__name__}: {error}"[:200]
    return NoAnswer(reason, dishonest=isinstance(error, ReplyTooLargeError))


def _came_too_late(error: BaseException) -> bool:
    """Whether no connection came in time; urllib3 counts a refused one to that kind too."""
    return isinstance(error, ConnectTimeoutError) and not isinstance(error, NewConnectionError)


def _inner(error: BaseException) -> BaseException | None:
    for candidate in (getattr(error, "reason", None), *error.args, error.__cause__):
        if isinstance(candidate, BaseException):
            return candidate
    return error.__context__
