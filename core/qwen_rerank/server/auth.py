"""Checks the key of the server, in requests and for uploads to the page."""

from __future__ import annotations

import hmac
import re
from typing import Annotated

from cachetools import LRUCache
from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from qwen_rerank.server.errors import refuse

Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(HTTPBearer(auto_error=False))]
Header = Annotated[str | None, Security(APIKeyHeader(name="api-key", auto_error=False))]

MOST_SESSIONS = 10_000
"""Visitors of the page to remember; the oldest are forgotten and enter the key again."""
_UPLOAD = re.compile(r"/_stcore/upload_file/([^/]*)/.*")

_admitted: LRUCache[str, bool] = LRUCache(MOST_SESSIONS)
"""Sessions of the page whose visitors entered the key."""


def is_key(given: str, key: SecretStr) -> bool:
    """Compare in constant time, so that the time taken tells nothing about the key."""
    wanted = key.get_secret_value().encode()
    return hmac.compare_digest(given.encode(errors="surrogateescape"), wanted)


def require_key(request: Request, bearer: Bearer, header: Header) -> None:
    """Refuse a request without the server's key, if there is one.

    A dependency of the routers whose routes need the key. FastAPI runs it before the route's
    own dependencies, and so before any of the body is read.

    Raises:
        HTTPException: 401; the key is wrong or missing.
    """
    key: SecretStr | None = request.app.state.service.settings.server_api_key
    given = bearer.credentials if bearer else header
    if key is None or (given is not None and is_key(given, key)):
        return
    raise HTTPException(
        401,
        "a wrong key, or none: send Authorization: Bearer <key>",
        {"WWW-Authenticate": "Bearer"},
    )


def admit_session(session_id: str) -> None:
    """Let a visitor of the page upload files: the key was entered there."""
    _admitted[session_id] = True


class UploadGuard:
    """Refuses uploads to the page from sessions that did not enter the key.

    Streamlit keeps the files of any session in memory.

    Args:
        page: Streamlit's app.
    """

    def __init__(self, page: ASGIApp) -> None:
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        upload = _UPLOAD.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if upload is None or upload[1] in _admitted:
            await self._page(scope, receive, send)
        else:
            await refuse(401, "enter the key on the page before you upload a file")(
                scope, receive, send
            )
