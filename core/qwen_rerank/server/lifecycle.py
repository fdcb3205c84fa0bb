"""Runs the server until a signal ends it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

import uvicorn

from qwen_rerank.server.app import make_app
from qwen_rerank.server.connections import limited_config
from qwen_rerank.server.service import Service
from qwen_rerank.server.settings import ServerSettings
from qwen_rerank.server.telemetry import log_as_json

GRACE = 10
"""Seconds for connections to end; above `DRAIN_SECONDS`, so that all get their answers."""
LINGER = 0.5
"""Seconds of 503 for new requests before the port closes, so that clients get a reason."""
WAITING = 1024
"""Connections that the system keeps until the server accepts them."""
LARGEST_FRAME = 20 << 20
"""Bytes in a WebSocket frame from the page: an uploaded file comes another way."""

Say = Callable[[str], None]


class DrainingServer(uvicorn.Server):
    """Uvicorn; at a signal the service refuses new requests before anything closes."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal; it may come before the service has started."""
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; Streamlit gives uvicorn's loggers its handlers again while it starts."""
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(WAITING)  # asyncio would accept as many at once
        log_as_json()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse for a moment, then close the port."""
        await asyncio.sleep(LINGER)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by a signal; the event loop drains the service in its next turn."""
        self._loop.call_soon_threadsafe(self._service.drain)
        super().handle_exit(sig, frame)


def serve(settings: ServerSettings, say: Say) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was accepted.

    Args:
        settings: Of the server and its scorer.
        say: Tells the person at the terminal where to go.

    Raises:
        QwenRerankError: The settings or the model are not usable.
        OSError: The port is taken.
    """
    listening = _listen(settings)
    log_as_json()
    service = Service(settings)
    app = make_app(service)
    log_as_json()  # again, for Streamlit has given uvicorn's loggers its own handlers
    config = limited_config(
        app,
        settings.max_connections,
        ws="websockets-sansio",  # what Streamlit chooses for itself
        ws_max_size=LARGEST_FRAME,
        timeout_graceful_shutdown=GRACE,
    )
    server = DrainingServer(config, service)
    try:
        asyncio.run(_serve(server, service, listening, say))
    except KeyboardInterrupt:
        pass
    finally:
        _leave_if_busy(service)
    if service.failure is not None:
        raise service.failure


async def _serve(server: DrainingServer, service: Service, at: socket.socket, say: Say) -> None:
    greeting = asyncio.create_task(_greet(server, service, at, say))
    await server.serve(sockets=[at])
    greeting.cancel()


async def _greet(server: DrainingServer, service: Service, at: socket.socket, say: Say) -> None:
    """Say where to go, once the model is there; end the server if it never will be."""
    say(f"Loading {service.settings.model} ...")
    await service.loaded.wait()
    if service.state == "failed":
        server.should_exit = True
    elif service.state == "ready":  # no signal came meanwhile
        _say_where(_address(service.settings.host, at.getsockname()[1]), service, say)


def _say_where(address: str, service: Service, say: Say) -> None:
    if service.settings.ui:
        say(f"Ready. Open {address} in a browser.")
    say(f"REST API: POST {address}/rerank (described at {address}/openapi.json)")


def _listen(settings: ServerSettings) -> socket.socket:
    """A bound socket: a taken port shows before a model is loaded."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        where = f"{settings.host}:{settings.port}"
        raise OSError(
            f"can't listen on {where}: {error}; choose another port with --port"
        ) from None
    listening.set_inheritable(True)
    return listening


def _address(host: str, port: int) -> str:
    """Something to click on: a wildcard address is no place to go."""
    shown = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)  # noqa: S104
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _leave_if_busy(service: Service) -> None:
    """A call of a slow model can't be interrupted, and Python would wait for its thread."""
    if service.busy:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(128 + signal.SIGINT)  # SIGTERM ends the process by itself
