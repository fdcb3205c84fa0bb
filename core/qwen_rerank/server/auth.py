"""Lets in who knows the key."""

from __future__ import annotations

import hmac

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from qwen_rerank.server.errors import refuse

GUARDED = ("/rerank", "/v1", "/v2", "/feedback")


def is_key(given: str, key: SecretStr) -> bool:
    """Compare in constant time, so that the time taken tells nothing about the key."""
    wanted = key.get_secret_value().encode()
    return hmac.compare_digest(given.encode(errors="surrogateescape"), wanted)


class KeyGuard:
    """Asks for the key on the rerank routes and for feedback, before a body is read.

    Health, readiness and metrics stay open, for probes; the page asks for itself.
    """

    def __init__(self, app: ASGIApp, key: SecretStr) -> None:
        self._app, self._key = app, key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and _is_guarded(scope["path"]):
            kind, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not is_key(given.strip(), self._key):
                reply = refuse(
                    401,
                    "a wrong key, or none: send Authorization: Bearer <key>",
                    {"WWW-Authenticate": "Bearer"},
                )
                await reply(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_guarded(path: str) -> bool:
    return any(path == root or path.startswith(f"{root}/") for root in GUARDED)
