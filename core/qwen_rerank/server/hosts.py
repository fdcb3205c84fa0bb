"""Answers only to the names that the server goes by."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qwen_rerank.server.errors import refuse


class HostGuard:
    """Starlette's host check, which keeps other sites' pages out, with a JSON refusal."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app = app
        self._check = TrustedHostMiddleware(self._mark, list(hosts), www_redirect=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        trusted: list[bool] = []
        scope["qwen_rerank.trusted"] = trusted
        await self._check(scope, receive, _nothing)
        if trusted:
            await self._app(scope, receive, send)
            return
        message = "this server goes by another name; allow this one with --allowed-hosts"
        await refuse(400, message)(scope, receive, send)

    async def _mark(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        scope["qwen_rerank.trusted"].append(True)


async def _nothing(message: Message) -> None:
    """Swallows the plain text that Starlette would answer."""
