"""Limits on connections: how many, how large a header, and how long a client may take.

Uvicorn has no timeout for a header or a body, reads headers of any size with httptools, and
its `limit_concurrency` answers a connection only once that has sent a header.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from qwen_rerank.server.errors import error_body

MAX_HEADER = 65_536
"""Bytes of a request line with its headers."""
HEADER_STEP = 4_096
"""Bytes of a header to parse at once, for h11 does not limit a header that is there in full."""
ACCEPTED_AT_ONCE = 64
"""The most connections to accept in one turn of the event loop."""


class LimitedProtocol(H11Protocol):
    """Uvicorn's HTTP/1.1, which closes connections that exceed a limit.

    Each limit is a status in JSON: 503 for one connection too many, 431 for a header that is
    too large, 408 for a client that is too slow.
    """

    header_seconds = 10.0
    """The most time from a connection's start, or a request's first byte, to the header's end."""
    body_seconds = 60.0
    """The most time from the header's end to the body's end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._awaited: str | None = None
        """The part of a request that the client has to send: "header", "body" or `None`."""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        if self.limit_concurrency and len(self.connections) >= self.limit_concurrency - 1:
            self.transport = transport
            self._close_with(503, "too many connections")
            return
        super().connection_made(transport)
        self._wait_for("header")

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        while data and not self.transport.is_closing():
            step = HEADER_STEP if self._missing() == "header" else len(data)
            super().data_received(data[:step])
            data = data[step:]
            if self.transport.get_protocol() is not self:  # a WebSocket from now on
                self._wait_for(None)
                return
        if not self.transport.is_closing():
            self._wait_for(self._missing())

    def on_response_complete(self) -> None:
        """Called when a response is sent; what comes next is another header."""
        super().on_response_complete()
        self._wait_for(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._wait_for(None)
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - ours says more
        """Called for a request that is no HTTP/1.1, or whose header is too large."""
        received, _ = self.conn.trailing_data
        if len(received) > MAX_HEADER:
            self._close_with(431, f"the header has more than {MAX_HEADER} bytes")
        else:
            self._close_with(400, "this is not an HTTP/1.1 request")

    def _missing(self) -> str | None:
        """What the client has not sent yet.

        A body that nobody reads any more counts as a header: the next thing to come.
        """
        if self.cycle is None or self.cycle.response_complete:
            return "header"
        return "body" if self.cycle.more_body else None

    def _wait_for(self, part: str | None) -> None:
        """Start the time for a part of the request; it goes on while that is the same part."""
        if part == self._awaited:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._awaited, self._timer = part, None
        if part is not None:
            seconds = self.header_seconds if part == "header" else self.body_seconds
            self._timer = self.loop.call_later(seconds, self._too_slow, part, seconds)

    def _too_slow(self, part: str, seconds: float) -> None:
        self._close_with(408, f"the {part} did not come within {seconds:g} seconds")

    def _close_with(self, status: int, message: str) -> None:
        """Answer, unless this request has its answer or a part of it, and close."""
        rest_of_body = self.conn.their_state is h11.SEND_BODY
        answered = self.cycle is not None and (
            rest_of_body if self.cycle.response_complete else self.cycle.response_started
        )
        if not answered:
            self.transport.write(_response(status, message))
        self.transport.close()


def _response(status: int, message: str) -> bytes:
    body = json.dumps(error_body(message, status)).encode()
    head = (
        f"HTTP/1.1 {status} \r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n"
    )
    head += "retry-after: 1\r\n" if status == 503 else ""
    return f"{head}\r\n".encode() + body


def connection_limits(max_connections: int) -> tuple[int, int]:
    """How many connections to keep, and how many to accept at once.

    Half of the files that the process may open are for connections. One that is accepted only
    to be refused has its file for some turns of the event loop. So accepting never fails.
    """
    if sys.platform == "win32":  # sockets are no files there
        return max_connections, ACCEPTED_AT_ONCE
    import resource

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return max_connections, ACCEPTED_AT_ONCE
    return min(max_connections, files // 2), max(1, min(ACCEPTED_AT_ONCE, files // 16))


def limited_config(app: Any, max_connections: int, **options: Any) -> uvicorn.Config:
    """Uvicorn's configuration with these limits."""
    connections, accepted = connection_limits(max_connections)
    return uvicorn.Config(
        app,
        http=LimitedProtocol,
        h11_max_incomplete_event_size=MAX_HEADER,
        limit_concurrency=connections + 1,  # so that it is `LimitedProtocol` that refuses
        backlog=accepted,  # `DrainingServer` lets more wait
        log_config=None,
        access_log=False,
        server_header=False,
        **options,
    )
