"""The access log and JSON log lines. None of them holds a user's text."""

from __future__ import annotations

import json
import logging
import re
import time
from datetime import UTC, datetime

from asgi_correlation_id import correlation_id
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qwen_rerank.server.errors import CLIENT_CLOSED_REQUEST
from qwen_rerank.server.metrics import Metrics

STATUS_TAG = "status"
"""The tag of the routes for probes: they are counted, but not logged."""
LINES_PER_SECOND = 10
"""The most log lines of a kind, of errors and of refused requests."""

access_log = logging.getLogger("qwen_rerank.server.requests")


class AccessLog:
    """Counts, times and logs each request to the API.

    Requests to the page are left out. A path without a route has the label "other", so that
    a scanner does not fill the metrics.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, start = 500, time.perf_counter()

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            self._note(scope, status, time.perf_counter() - start)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("route")
        if not isinstance(route, APIRoute):
            if "endpoint" in scope:  # the page's
                return
            route = None
        path = route.path if route else "other"
        self._metrics.requests.labels(path, str(status)).inc()
        self._metrics.duration.labels(path).observe(seconds)
        if not (route and STATUS_TAG in route.tags) and status != CLIENT_CLOSED_REQUEST:
            documents = scope.get("state", {}).get("documents")
            fields = {"route": path, "status": status, "documents": documents}
            access_log.info("request", extra={"fields": fields | {"ms": round(1000 * seconds, 1)}})


def is_request_id(text: str) -> bool:
    """Whether a client's `X-Request-Id` is short and plain enough for logs."""
    return re.fullmatch(r"[\w.-]{1,64}", text, re.ASCII) is not None


class JSONFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, request id, a record's fields.

    An exception is named by its class alone: its text may hold a user's. That is why this is
    not python-json-logger, which writes the traceback.
    """

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if request := correlation_id.get():
            line["id"] = request
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__
        return json.dumps(line, ensure_ascii=False)


class RateLimit(logging.Filter):
    """Lets only a few equal lines pass in a second: errors, and requests refused alike.

    A crowd of clients must not fill the disk. The next line that passes counts the others.
    """

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[object, tuple[int, int, int]] = {}
        """For each place in the code and each status: the second, the lines that passed in it,
        and the lines left out."""

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter.filter`."""
        fields: dict[str, object] = getattr(record, "fields", {})
        status = fields.get("status", 0)
        if record.levelno < logging.WARNING and isinstance(status, int) and status < 400:
            return True
        kind = (record.pathname, record.lineno, status)
        second, passed, left_out = self._passed.get(kind, (0, 0, 0))
        if second != int(record.created):
            second, passed = int(record.created), 0
        if passed == LINES_PER_SECOND:
            self._passed[kind] = second, passed, left_out + 1
            return False
        self._passed[kind] = second, passed + 1, 0
        if left_out:
            record.fields = {**fields, "left_out": left_out}
        return True


class JSONLogger(logging.Logger):
    """A logger whose handlers all write JSON, for libraries that bring their own handlers."""

    def addHandler(self, hdlr: logging.Handler) -> None:  # noqa: N802 - logging's own name
        """See `logging.Logger.addHandler`."""
        hdlr.setFormatter(JSONFormatter())
        hdlr.addFilter(RATE_LIMIT)
        super().addHandler(hdlr)


RATE_LIMIT = RateLimit()


def log_as_json() -> None:
    """Make JSON lines on stderr of every log of this process.

    Streamlit gives each of its loggers a handler when it makes the logger, some of them later:
    `JSONLogger` sees to those. Uvicorn tells of each start and stop, which is too much.
    """
    logging.setLoggerClass(JSONLogger)
    handler = logging.StreamHandler()
    logging.root.handlers = [handler]
    loggers = [logging.root, *map(logging.getLogger, list(logging.root.manager.loggerDict))]
    for one in {handler for logger in loggers for handler in logger.handlers}:
        one.setFormatter(JSONFormatter())
        one.addFilter(RATE_LIMIT)
    logging.captureWarnings(True)
    for name, least in (("qwen_rerank", logging.INFO), ("uvicorn.error", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(least)
    logging.getLogger("uvicorn.access").disabled = True  # `AccessLog` logs requests
