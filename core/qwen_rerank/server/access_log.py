"""Counts and logs each request to the API, without a word of what was in it."""

from __future__ import annotations

import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qwen_rerank.server.telemetry import Metrics

WATCHED = ("/rerank", "/v1/rerank", "/v2/rerank", "/feedback", "/health", "/ready", "/metrics")
"""Routes by name; any other path is one label, lest scanners fill the metrics."""
QUIET = ("/health", "/ready", "/metrics")
"""Counted, but not logged: probes come every few seconds."""

_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)

logger = logging.getLogger("qwen_rerank.server.requests")


class Watch:
    """The outermost layer: whatever happens inside, the request is counted."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        path = scope.get("path", "")
        api = path in WATCHED or path.startswith(("/v1/", "/v2/", "/rerank/"))
        if scope["type"] != "http" or not api:
            await self._app(scope, receive, send)
            return
        name = request_id(scope)
        status, start = 500, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = name
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            self._note(scope, status, time.perf_counter() - start, name)

    def _note(self, scope: Scope, status: int, seconds: float, name: str) -> None:
        route = scope["path"] if scope["path"] in WATCHED else "other"
        self._metrics.requests.labels(route, str(status)).inc()
        self._metrics.duration.labels(route).observe(seconds)
        if route not in QUIET:
            documents = scope.get("state", {}).get("documents")
            fields = {"route": route, "status": status, "documents": documents}
            fields |= {"ms": round(1000 * seconds, 1), "id": name}
            logger.info("request", extra={"fields": fields})


def request_id(scope: Scope) -> str:
    """The client's own X-Request-Id if it is a plain word, else a new one."""
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _ID.fullmatch(given) else uuid.uuid4().hex
