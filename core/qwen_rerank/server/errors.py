"""Turns every failure into a JSON reply with a text in it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

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
from qwen_rerank.server.answers import error
from qwen_rerank.server.refusals import ClientGoneError

STATUS = {RequestTooLargeError: 413, ClientGoneError: 499, DeadlineError: 504}
"""Of refusals; 499 is nginx's, for logs and metrics."""

logger = logging.getLogger(__name__)


def refuse(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A reply that says why there is no other."""
    return JSONResponse(error(message, status), status, headers)


def register(app: FastAPI) -> None:
    """Answer for all that a route may raise."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(ValidationError, _validation)
    app.add_exception_handler(QwenRerankError, _ours)
    app.add_exception_handler(Exception, _unexpected)


async def _http(_: Request, failure: Exception) -> JSONResponse:
    assert isinstance(failure, HTTPException)  # noqa: S101 - what it is registered for
    return refuse(failure.status_code, str(failure.detail), failure.headers)


async def _validation(_: Request, failure: Exception) -> JSONResponse:
    """Names the fields; never repeats what stood in them."""
    assert isinstance(failure, RequestValidationError | ValidationError)  # noqa: S101
    return refuse(422, "; ".join(dict.fromkeys(_sentence(one) for one in failure.errors()[:3])))


def _sentence(one: Mapping[str, object]) -> str:
    place = [part for part in one["loc"] if part not in {"str", "TextDocument"}]  # type: ignore[attr-defined]
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return f"{name.lstrip('.') or 'body'}: {str(one['msg']).lower()}"


async def _ours(_: Request, failure: Exception) -> JSONResponse:
    if isinstance(failure, OverloadedError):
        return refuse(503, str(failure), {"Retry-After": str(failure.retry_after)})
    if isinstance(failure, RefusedError):
        return refuse(STATUS[type(failure)], str(failure))
    if isinstance(failure, InvalidInputError):
        return refuse(404 if isinstance(failure, UnknownRerankError) else 422, str(failure))
    if isinstance(failure, FeedbackError):
        logger.error("feedback is not kept: %s", failure)
        return refuse(503, "the feedback could not be kept", {"Retry-After": "5"})
    note(failure)
    if isinstance(failure, ScorerUnavailableError):
        return refuse(503, "the scorer is out of reach", {"Retry-After": "5"})
    broken = isinstance(failure, BadScoresError)
    return refuse(502 if broken else 500, "the model could not score, see the server's log")


async def _unexpected(_: Request, failure: Exception) -> JSONResponse:
    note(failure)
    return refuse(500, "something went wrong, see the server's log")


def note(failure: Exception) -> None:
    """Log what clients and visitors are not told.

    Of a failure that is not ours the frames, not the message: it may hold a user's text.
    """
    if isinstance(failure, QwenRerankError):
        logger.error("scoring failed: %s", failure)
        return
    frames = traceback.extract_tb(failure.__traceback__)[-4:]
    where = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames))
    logger.error("unexpected %s at %s", type(failure).__name__, where)
