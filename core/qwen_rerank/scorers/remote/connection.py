"""Connections that keep a deadline whatever the server does.

A timeout of requests bounds one connect and each single read, so that a server which sends
one byte a second holds its caller for ever. Here every step, from the name look-up to the
last byte of the reply, gets only what the call's deadline leaves, and the bytes of a reply
are counted as they arrive, headers and chunk lengths included.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from qwen_rerank.scorers.remote.deadline import Deadline

CONNECT_SECONDS = 3.0
"""The longest wait for one TCP connection: more is another attempt's time."""

Address = tuple[Any, Any, int, str, Any]


class ReplyTooLargeError(OSError):
    """A server sent more bytes than any honest reply has."""


@dataclass(slots=True)
class Allowance:
    """What one exchange may still use."""

    deadline: Deadline
    reply_bytes: int

    def seconds(self) -> float:
        """What is left of the time, above 0; raises TimeoutError when it is used up."""
        left = self.deadline.left()
        if not left:
            raise TimeoutError("the deadline has passed")
        return left

    def take(self, count: int) -> None:
        """Note received bytes; raises ReplyTooLargeError when they are too many."""
        self.reply_bytes -= count
        if self.reply_bytes < 0:
            raise ReplyTooLargeError("the reply is larger than any honest one")


_allowance: ContextVar[Allowance] = ContextVar("allowance of the exchange in this thread")


@contextmanager
def allowing(allowance: Allowance) -> Iterator[None]:
    """Give the connections used in this block, by this thread, what they may use.

    urllib3 hands a connection nothing but a number of seconds per step.
    """
    token = _allowance.set(allowance)
    try:
        yield
    finally:
        _allowance.reset(token)


class _GuardedReader(io.RawIOBase):
    """Reads a socket; each read waits no longer than the deadline leaves."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        allowance = _allowance.get()
        self._sock.settimeout(allowance.seconds())
        count = self._raw.readinto(buffer)
        allowance.take(count or 0)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _GuardedSocket:
    """A connected socket whose sends and reads share the deadline."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def sendall(self, data: bytes) -> None:
        """Send everything: TLS would grant each 16 KB record a timeout of its own."""
        rest = memoryview(data)
        while rest:
            self._sock.settimeout(_allowance.get().seconds())
            rest = rest[self._sock.send(rest) :]

    def makefile(self, _mode: str) -> io.BufferedReader:
        """The reply's bytes; http.client asks for nothing else."""
        return io.BufferedReader(_GuardedReader(self._sock))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _GuardedHTTPConnection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        self.sock = cast(Any, _GuardedSocket(cast(Any, self.sock)))

    def _new_conn(self) -> socket.socket:
        return _connect(self)


class _GuardedHTTPSConnection(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        self.sock = cast(Any, _GuardedSocket(cast(Any, self.sock)))

    def _new_conn(self) -> socket.socket:
        return _connect(self)


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _GuardedHTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedHTTPSConnection


class GuardedAdapter(HTTPAdapter):
    """What a requests session is mounted with to keep deadlines."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """See `HTTPAdapter`; the pools make guarded connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}


def _connect(connection: HTTPConnection) -> socket.socket:
    """A TCP connection to the first address of the host that takes one."""
    host, port = connection._dns_host, connection.port or connection.default_port  # noqa: SLF001
    allowance = _allowance.get()
    try:
        addresses = _resolve(host, port, allowance.seconds())
        return _first_that_connects(addresses, allowance)
    except socket.gaierror as error:
        raise NameResolutionError(host, connection, error) from error
    except TimeoutError as error:
        raise ConnectTimeoutError(connection, f"no connection to {host} in time") from error
    except OSError as error:
        raise NewConnectionError(connection, str(error)) from error


def _first_that_connects(addresses: list[Address], allowance: Allowance) -> socket.socket:
    ends = time.monotonic() + min(CONNECT_SECONDS, allowance.seconds())
    failure: OSError = OSError("the host has no address")
    for place, address in enumerate(addresses):
        share = max(0.01, ends - time.monotonic()) / (len(addresses) - place)
        try:
            sock = _connect_to(address, share)
            sock.settimeout(allowance.seconds())  # for the TLS handshake, which keeps it in all
        except OSError as error:
            failure = error
        else:
            return sock
    raise failure


def _connect_to(address: Address, seconds: float) -> socket.socket:
    family, kind, protocol, _, target = address
    sock = socket.socket(family, kind, protocol)
    try:
        sock.settimeout(seconds)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect(target)
    except BaseException:
        sock.close()
        raise
    return sock


def _resolve(host: str, port: int, seconds: float) -> list[Address]:
    """The host's addresses; a name's are looked up on a thread, for nothing can interrupt that."""
    try:
        return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):  # a name
        return _looked_up(host, port, seconds)


def _looked_up(host: str, port: int, seconds: float) -> list[Address]:
    found: list[list[Address]] = []
    failed: list[OSError] = []

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            failed.append(error if isinstance(error, OSError) else OSError(str(error)))

    thread = threading.Thread(target=look_up, name="qwen-rerank-dns", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError(f"no address for {host} in time")
    return found[0]
