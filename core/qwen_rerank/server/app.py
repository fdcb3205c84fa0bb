"""Puts the server together: its routes, the layers around them, and the page at the root."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from fastapi.telemetry import TelemetryConfig
from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Match, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qwen_rerank import __version__
from qwen_rerank.server import errors, feedback, routes
from qwen_rerank.server.auth import UploadGuard
from qwen_rerank.server.body import BodyMemory
from qwen_rerank.server.errors import refuse
from qwen_rerank.server.origins import OriginGuard
from qwen_rerank.server.service import Service
from qwen_rerank.server.telemetry import AccessLog, is_request_id

PAGE_PATHS = re.compile(
    r"/(_stcore/.+|media/.+|component/.+|static/.+|index\.html|favicon\.png|manifest\.json)"
)
"""What Streamlit's page loads besides `/`. Streamlit itself answers every path with its page."""

REQUEST_ID = "X-Request-Id"

TELEMETRY: TelemetryConfig = {"logs": False, "operation_spans": False}
"""FastAPI makes a span of each request, and takes a client's `traceparent`. Its logs would hold
the messages of exceptions, and so a user's text."""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def make_app(service: Service) -> FastAPI:
    """The ASGI app of a service: REST, and the page if its settings want one.

    Its routes are the one table: the page is behind them and answers its own paths only, so
    that an unknown path or a wrong method is FastAPI's 404 or 405. Interactive API pages are
    off, because they load their code from elsewhere.

    Raises:
        MissingDependencyError: The page is wanted and Streamlit is not installed.
    """
    page = _page(service) if service.settings.ui else None
    app = FastAPI(
        title="qwen-rerank",
        version=__version__,
        description="Qwen3-Reranker over HTTP.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan(service, page),
        telemetry=TELEMETRY,
    )
    app.state.service = service
    app.state.bodies = BodyMemory(service.settings.max_body)
    errors.register(app)
    for router in (routes.router, feedback.router, routes.status_router):
        app.include_router(router)
    if page is None:
        app.add_api_route("/", _no_page, methods=["GET"], include_in_schema=False)
    else:
        guarded = page if service.settings.server_api_key is None else UploadGuard(page)
        app.router.routes += [Route("/", page, methods=["GET"]), PageMount("", guarded)]
    _add_layers(app, service)
    return app


class PageMount(Mount):
    """Streamlit's app, for `/` and the paths that its page loads."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See `Mount.matches`."""
        if PAGE_PATHS.fullmatch(scope.get("path", "")):
            return super().matches(scope)
        return Match.NONE, {}


class PathCleaner:
    """Takes `//rerank` and `/rerank/` as `/rerank`: clients add a path to a base URL."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http":
            scope["path"] = re.sub("/{2,}", "/", scope["path"]).rstrip("/") or "/"
        await self._app(scope, receive, send)


class JSONRefusals:
    """Makes JSON of the plain-text errors of Starlette's layers and of the page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        start: Message | None = None
        text = b""

        async def as_json(message: Message) -> None:
            nonlocal start, text
            if message["type"] == "http.response.start" and _is_text_error(message):
                start = message
            elif start is None:
                await send(message)
            else:
                text += message.get("body", b"")
                if not message.get("more_body"):
                    await _json_error(start, text)(scope, receive, send)

        await self._app(scope, receive, as_json if scope["type"] == "http" else send)


def _is_text_error(start: Message) -> bool:
    kind = dict(start["headers"]).get(b"content-type", b"text/plain")
    return bool(start["status"] >= 400 and kind.startswith(b"text/plain"))


def _json_error(start: Message, text: bytes) -> JSONResponse:
    message = text.decode("utf-8", "replace")
    if message == "Invalid host header":
        message = "this server has another host name; allow this one with --allowed-hosts"
    headers = MutableHeaders(scope=start)
    for replaced in ("content-type", "content-length"):
        del headers[replaced]
    return refuse(start["status"], message, headers)


def _page(service: Service) -> Any:
    from qwen_rerank.server.page import make_page

    return make_page(service)


def _lifespan(service: Service, page: Any) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        starting = asyncio.create_task(service.start())
        async with page.lifespan()(app) if page is not None else nullcontext():
            yield
        starting.cancel()
        await service.stop()

    return lifespan


def _add_layers(app: FastAPI, service: Service) -> None:
    """From the inside out: what an outer layer refuses costs nothing inside."""
    app.add_middleware(PathCleaner)
    if service.settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=service.settings.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=[routes.ID_HEADER, REQUEST_ID, "Retry-After"],
        )
    app.add_middleware(OriginGuard, allowed=service.settings.origins)
    app.add_middleware(
        TrustedHostMiddleware, allowed_hosts=service.settings.hosts, www_redirect=False
    )
    app.add_middleware(JSONRefusals)
    app.add_middleware(AccessLog, metrics=service.metrics)
    app.add_middleware(CorrelationIdMiddleware, header_name=REQUEST_ID, validator=is_request_id)


def _no_page() -> JSONResponse:
    return refuse(404, "there is no page here: it needs the extra ui, and no --no-ui")
