"""HTTP connections whose exchange another thread can stop.

The timeouts of requests bound one connect and each single read. A server that sends one byte
a second keeps its reader busy for ever. So an exchange runs in a thread of its own, and at the
deadline its socket is shut: whatever that thread waits for then ends at once.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from qwen_rerank.scorers.remote.deadline import Deadline


class Exchange:
    """One request and its reply. Thread-safe."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.connected = False
        """Whether the server took the connection."""
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._stopped = False

    def use(self, connected: socket.socket) -> None:
        """Note the socket that the request goes out on.

        Raises:
            TimeoutError: The exchange was stopped in the meantime.
        """
        with self._lock:
            if self._stopped:
                raise TimeoutError("the exchange was stopped")
            self._socket, self.connected = connected, True

    def finish(self) -> None:
        """Note that the socket serves this exchange no longer."""
        with self._lock:
            self._socket = None

    def stop(self) -> None:
        """Shut the socket, so that the exchange ends now; nothing if it has finished."""
        with self._lock:
            self._stopped = True
            if self._socket is not None:
                with suppress(OSError):  # the server has closed it
                    # not the method of a TLS socket, which takes its state from under a reader
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


current_exchange: ContextVar[Exchange] = ContextVar("current_exchange")
"""The exchange of this thread: requests and urllib3 pass nothing else on to a connection."""


class _HTTPConnection(HTTPConnection):
    def request(self, *args: Any, **options: Any) -> None:
        exchange = current_exchange.get()
        if self.is_closed:
            self.connect()
        assert self.sock is not None  # noqa: S101 - connected above
        exchange.use(self.sock)
        self.timeout = max(0.001, exchange.deadline.left())  # not that of connecting
        super().request(*args, **options)


class _HTTPSConnection(_HTTPConnection, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class StoppableAdapter(HTTPAdapter):
    """Makes connections that note their socket in `current_exchange`."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """See `HTTPAdapter`."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
