"""Refuses bodies that are too large before they lie in memory."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qwen_rerank.server.errors import refuse

DISCARDED = 8
"""How many times the limit is read and thrown away, so that a client that sends before it
listens still hears the answer; beyond that it sees its connection close."""


class BodyLimit:
    """Counts what comes, and trusts Content-Length only when it admits too much."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        declared = headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self._limit:
            if "expect" not in headers:  # a client that asks first has sent nothing yet
                await self._discard(receive)
            await refuse(413, self._message(), {"Connection": "close"})(scope, receive, send)
            return
        await self._app(scope, self._counted(receive), send)

    def _counted(self, receive: Receive) -> Receive:
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > self._limit:
                if message.get("more_body"):
                    await self._discard(receive)
                raise HTTPException(413, self._message(), {"Connection": "close"})
            return message

        return counted

    async def _discard(self, receive: Receive) -> None:
        left = self._limit * DISCARDED
        while left > 0:
            message = await receive()
            left -= len(message.get("body", b""))
            if not message.get("more_body"):
                return

    def _message(self) -> str:
        return f"the body has more than {self._limit} bytes: send fewer or shorter documents"
