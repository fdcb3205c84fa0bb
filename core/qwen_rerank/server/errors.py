"""Every way in which the server refuses a request, and the JSON that says so."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from qwen_rerank.errors import (
    BadScoresError,
    DeadlineError,
    FeedbackError,
    InvalidInputError,
    OverloadedError,
    QwenRerankError,
    RefusedError,
    RequestTooLargeError,
    ScorerUnavailableError,
    UnknownRerankError,
)

CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a client that hangs up; it appears in logs and metrics only."""

STATUS_CODES = {RequestTooLargeError: 413, DeadlineError: 504}
"""Of the errors whose message is for the client."""

logger = logging.getLogger(__name__)


def error_body(message: str, status: int) -> dict[str, Any]:
    """The body of every error: `detail` for most clients, `error` as OpenAI's clients read it."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return {"detail": message, "error": {"message": message, "type": kind, "code": status}}


def refuse(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error as a response."""
    return JSONResponse(error_body(message, status), status, headers)


def register(app: FastAPI) -> None:
    """Set the handlers for all that a route may raise."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ValidationError, _validation)
    app.add_exception_handler(ClientDisconnect, _disconnected)
    app.add_exception_handler(QwenRerankError, _ours)
    app.add_exception_handler(Exception, _unexpected)


async def _http(request: Request, failure: Exception) -> JSONResponse:
    assert isinstance(failure, HTTPException)  # noqa: S101 - what it is registered for
    headers = dict(failure.headers or {})
    if failure.status_code == 404 and failure.detail == "Not Found":
        return refuse(404, f"there is no path {request.url.path:.100}: see /openapi.json")
    if failure.status_code == 405:
        allowed = headers["Allow"] = _allowed(headers.get("Allow", ""))
        return refuse(405, f"{request.url.path} takes {allowed}, not {request.method}", headers)
    return refuse(failure.status_code, str(failure.detail), headers)


def _allowed(methods: str) -> str:
    """The methods of a path: each that answers GET answers HEAD, too."""
    names = {name.strip() for name in methods.split(",")}
    return ", ".join(sorted(names | ({"HEAD"} if "GET" in names else set())))


async def _validation(_: Request, failure: Exception) -> JSONResponse:
    """Name the fields; never repeat what the client sent in them."""
    assert isinstance(failure, ValidationError)  # noqa: S101 - what it is registered for
    errors = failure.errors(include_input=False, include_context=False, include_url=False)
    return refuse(422, "; ".join(dict.fromkeys(_sentence(one) for one in errors[:3])))


def _sentence(one: Mapping[str, Any]) -> str:
    place = [part for part in one["loc"] if part not in {"str", "TextDocument"}]
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return f"{name.lstrip('.') or 'body'}: {str(one['msg']).lower()}"


async def _disconnected(_: Request, __: Exception) -> JSONResponse:
    return refuse(CLIENT_CLOSED_REQUEST, "the client closed the connection")


async def _ours(_: Request, failure: Exception) -> JSONResponse:
    if isinstance(failure, OverloadedError):
        return refuse(503, str(failure), {"Retry-After": str(failure.retry_after)})
    if isinstance(failure, RefusedError):
        return refuse(STATUS_CODES.get(type(failure), 503), str(failure))
    if isinstance(failure, InvalidInputError):
        return refuse(404 if isinstance(failure, UnknownRerankError) else 422, str(failure))
    if isinstance(failure, FeedbackError):
        logger.error("feedback is not kept: %s", failure)
        return refuse(503, "the feedback could not be kept", {"Retry-After": "5"})
    log_failure(failure)
    if isinstance(failure, ScorerUnavailableError):
        return refuse(503, "the scorer can't be reached", {"Retry-After": "5"})
    broken = isinstance(failure, BadScoresError)
    return refuse(502 if broken else 500, "the model could not score, see the server's log")


async def _unexpected(_: Request, failure: Exception) -> JSONResponse:
    log_failure(failure)
    return refuse(500, "an unexpected error, see the server's log")


def log_failure(failure: Exception) -> None:
    """Log what clients and visitors are not told.

    Of another library's error it logs the place in the code and not the message, which may
    hold a user's text.
    """
    if isinstance(failure, QwenRerankError):
        logger.error("scoring failed: %s", failure)
        return
    frames = traceback.extract_tb(failure.__traceback__)[-4:]
    where = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames))
    logger.error("unexpected %s at %s", type(failure).__name__, where)
