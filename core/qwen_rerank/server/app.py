"""Puts the server together: routes, limits, and the page at the root."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from qwen_rerank import __version__
from qwen_rerank.server import errors, feedback, routes, status
from qwen_rerank.server.access_log import Watch
from qwen_rerank.server.auth import KeyGuard
from qwen_rerank.server.body_limit import BodyLimit
from qwen_rerank.server.errors import refuse
from qwen_rerank.server.hosts import HostGuard
from qwen_rerank.server.service import Service

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
ALLOWED = {
    "/rerank": "POST",
    "/v1/rerank": "POST",
    "/v2/rerank": "POST",
    "/feedback": "POST",
    "/health": "GET, HEAD",
    "/ready": "GET, HEAD",
    "/metrics": "GET, HEAD",
    "/openapi.json": "GET, HEAD",
}
"""Paths and their methods: whatever else comes to them is answered here, for the page,
mounted behind them at the root, would answer every path with itself."""
RESERVED = ("/v1", "/v2", "/rerank", "/feedback", "/health", "/ready", "/metrics")
"""Below these there is nothing but the API: no page, a plain 404."""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def make_app(service: Service) -> FastAPI:
    """The ASGI app of a service: REST, and the page if its settings want one.

    Interactive API pages are off, because they load their code from elsewhere.

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
        lifespan=_lifespan(service, page),
    )
    app.state.service = service
    errors.register(app)
    app.include_router(routes.router)
    app.include_router(feedback.router)
    app.include_router(status.router)
    _add_refusals(app)
    if page is not None:
        app.mount("/", page)
    else:
        app.add_api_route("/", _no_page, methods=["GET"], include_in_schema=False)
    _add_layers(app, service)
    return app


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


def _add_refusals(app: FastAPI) -> None:
    for path, methods in ALLOWED.items():
        app.add_api_route(path, _wrong_method(methods), methods=METHODS, include_in_schema=False)
    for root in RESERVED:
        for path in (root, f"{root}/{{rest:path}}"):
            app.add_api_route(path, _unknown, methods=METHODS, include_in_schema=False)


def _add_layers(app: FastAPI, service: Service) -> None:
    """From the inside out: what is refused outside costs nothing inside."""
    settings = service.settings
    app.add_middleware(BodyLimit, limit=settings.max_body)
    if settings.server_api_key is not None:
        app.add_middleware(KeyGuard, key=settings.server_api_key)
    app.add_middleware(HostGuard, hosts=settings.hosts)
    app.add_middleware(Watch, metrics=service.metrics)


def _wrong_method(allowed: str) -> Callable[[Request], JSONResponse]:
    def refusal(request: Request) -> JSONResponse:
        message = f"{request.url.path} takes {allowed}, not {request.method}"
        return refuse(405, message, {"Allow": allowed})

    return refusal


def _unknown(_: Request) -> JSONResponse:
    return refuse(404, "there is no such path; /openapi.json describes those that there are")


def _no_page() -> JSONResponse:
    return refuse(404, 'there is no page here: it needs pip install "qwen-rerank[ui]", no --no-ui')
