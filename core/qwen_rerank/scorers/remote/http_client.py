"""One HTTP exchange with a server: bytes out, bytes in, within a deadline."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from http.cookiejar import DefaultCookiePolicy

import requests
from pydantic import SecretStr
from requests import PreparedRequest, Response
from requests.auth import AuthBase
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from qwen_rerank._threads import run_now_and_after_fork
from qwen_rerank.call import current_call
from qwen_rerank.printable import printable
from qwen_rerank.scorers.remote.connection import Exchange, StoppableAdapter, current_exchange
from qwen_rerank.scorers.remote.deadline import Deadline
from qwen_rerank.tracing import exchange_span

MAX_EXCHANGES = 256
"""At the same time with one server: as many as `Reranker` has calls in flight."""
CONNECT_SECONDS = 3.0
"""The longest wait for one TCP connection and for its TLS handshake."""
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
class HttpReply:
    """What a server sent back."""

    status: int
    body: bytes = field(repr=False)
    retry_after: str | None = None
    """The header of this name, as it came."""
    location: str | None = None
    """The header of this name, as it came."""


@dataclass(frozen=True, slots=True)
class HttpFailure:
    """Why no complete reply came."""

    reason: str
    invalid: bool = False
    """Whether the server sent something that no rerank server sends."""


class HttpClient:
    """A pool of connections to one server; opens none before the first exchange. Thread-safe.

    Follows no redirect, keeps no cookie, takes neither a proxy nor credentials from the
    environment, for these would send documents or the key elsewhere. Only the list of
    trusted authorities comes from there: `REQUESTS_CA_BUNDLE`, as everywhere in requests.
    """

    def __init__(self, api_key: SecretStr | None) -> None:
        self._api_key = api_key
        self._opened: tuple[requests.Session, ThreadPoolExecutor] | None
        run_now_and_after_fork(self._reset)

    def post(self, url: str, body: bytes, deadline: Deadline) -> HttpReply | HttpFailure:
        """Send a JSON body and read the complete reply.

        Returns at the deadline at the latest; the exchange's thread ends then, too. Only a
        name look-up can't be interrupted: its thread ends when the system's resolver gives up.

        Never raises for what a server or a network does: an exception of requests holds
        the request, and so the key.

        Raises:
            CancelledError: The call was cancelled; the exchange ends at once.
        """
        exchange, call = Exchange(deadline), current_call()
        with call.stopping(exchange.stop), exchange_span(url) as span:
            reply = self._reply(exchange, url, body, span.headers)
            if call.cancelled:
                raise CancelledError
            span.ended(reply.status if isinstance(reply, HttpReply) else None)
            return reply

    def _reply(
        self, exchange: Exchange, url: str, body: bytes, headers: Mapping[str, str]
    ) -> HttpReply | HttpFailure:
        session, threads = self._open()
        work = partial(self._exchange, session, exchange, url, body, headers)
        try:  # in the caller's context, where an instrumentation of requests finds the span
            running = threads.submit(copy_context().run, work)
        except RuntimeError:  # no further thread to be had, as after the main thread's end
            return work()
        try:
            return running.result(exchange.deadline.left())
        except TimeoutError:
            missing = "complete reply" if exchange.connected else "connection"
            return HttpFailure(f"no {missing} in time")
        finally:  # also when the caller is interrupted
            running.cancel()
            exchange.stop()

    def _exchange(
        self,
        session: requests.Session,
        exchange: Exchange,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
    ) -> HttpReply | HttpFailure:
        """Runs in a thread of the pool."""
        token = current_exchange.set(exchange)
        seconds = max(0.001, exchange.deadline.left())
        try:
            with session.post(
                url,
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=(min(CONNECT_SECONDS, seconds), seconds),
                verify=os.environ.get("REQUESTS_CA_BUNDLE") or True,
            ) as response:
                return _read(response, REPLY_BYTES + 2 * len(body))  # which may echo documents
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            return _failure(error)
        finally:
            exchange.finish()
            current_exchange.reset(token)

    def _open(self) -> tuple[requests.Session, ThreadPoolExecutor]:
        with self._lock:
            if self._opened is None:
                threads = ThreadPoolExecutor(MAX_EXCHANGES, thread_name_prefix="qwen-rerank-http")
                self._opened = _new_session(self._api_key), threads
            return self._opened

    def _reset(self) -> None:
        """At the start, and in a forked child: connections and threads are the parent's."""
        self._lock = threading.Lock()
        self._opened = None


class _Bearer(AuthBase):
    def __init__(self, api_key: SecretStr | None) -> None:
        self._api_key = api_key

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        if self._api_key is not None:
            request.headers["Authorization"] = f"Bearer {self._api_key.get_secret_value()}"
        return request


def _new_session(api_key: SecretStr | None) -> requests.Session:
    session = requests.Session()
    session.trust_env, session.stream, session.auth = False, True, _Bearer(api_key)
    session.headers.update(_HEADERS)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = StoppableAdapter(pool_connections=4, pool_maxsize=MAX_EXCHANGES, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _read(response: Response, max_bytes: int) -> HttpReply | HttpFailure:
    if response.status_code < 200:
        # nothing more is read, so the connection closes: the final reply may follow on it
        return HttpFailure(f"status {response.status_code} is no final reply", invalid=True)
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding != "identity":
        return HttpFailure(f"the reply is {encoding}-encoded, wanted identity", invalid=True)
    body = bytearray()
    # `read`, for `stream` of older urllib3 reads a chunk's length without a limit
    while chunk := response.raw.read(_CHUNK, decode_content=False):
        body += chunk
        if len(body) > max_bytes:
            return HttpFailure(f"the reply is larger than {max_bytes} bytes", invalid=True)
    headers = response.headers
    return HttpReply(
        response.status_code, bytes(body), headers.get("Retry-After"), headers.get("Location")
    )


def _failure(error: BaseException) -> HttpFailure:
    """The innermost cause; requests and urllib3 wrap it several times."""
    while not _is_connect_timeout(error) and (inner := _inner(error)) is not None:
        error = inner
    if _is_connect_timeout(error):
        return HttpFailure("no connection in time")
    if isinstance(error, TimeoutError):
        return HttpFailure("no complete reply in time")
    message = " ".join(f"{type(error).__name__}: {error}".split())
    return HttpFailure(printable(message[:200]))


def _is_connect_timeout(error: BaseException) -> bool:
    """Whether no connection came in time; urllib3 counts a refused one to that kind too."""
    return isinstance(error, ConnectTimeoutError) and not isinstance(error, NewConnectionError)


def _inner(error: BaseException) -> BaseException | None:
    for candidate in (getattr(error, "reason", None), *error.args, error.__cause__):
        if isinstance(candidate, BaseException):
            return candidate
    return error.__context__
