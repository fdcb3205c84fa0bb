"""Lets in who knows the key."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr
from starlette.exceptions import HTTPException

Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(HTTPBearer(auto_error=False))]
Header = Annotated[str | None, Security(APIKeyHeader(name="api-key", auto_error=False))]


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
