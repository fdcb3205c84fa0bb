"""Refuses requests that a page of another origin makes in a visitor's browser."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qwen_rerank.server.errors import refuse

SECURITY_HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
}
"""On every response; the first keeps the page out of other sites' frames."""
DEFAULT_PORTS = {"http": 80, "https": 443}


class OriginGuard:
    """Lets in what no page sent, and what a page of this server or of an allowed origin sent.

    A browser says where a request comes from, in `Sec-Fetch-Site` and in `Origin`; a page can
    change neither. Programs that are no browsers send neither. A link on another site may open
    the page.

    Streamlit gets WebSockets without `Origin`. Of an origin that it does not know it would
    find out this machine's public address from a host on the internet, and the event loop
    would wait for that.

    Args:
        app: The layers inside.
        allowed: Origins besides the server's own, such as `https://app.example`.
    """

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        self._app, self._allowed = app, frozenset(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif not self._is_allowed(scope):
            await _refuse(scope, receive, send)
        elif scope["type"] == "websocket":
            headers = [(name, value) for name, value in scope["headers"] if name != b"origin"]
            await self._app({**scope, "headers": headers}, receive, send)
        else:
            await self._app(scope, receive, _with_security_headers(send))

    def _is_allowed(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        site = headers.get("sec-fetch-site")
        if origin in self._allowed or site in {"same-origin", "none"}:
            return True
        if site is not None:
            return _opens_page(scope, headers)
        return origin is None or _is_own(origin, headers.get("host", ""))


def _opens_page(scope: Scope, headers: Headers) -> bool:
    """Whether the visitor follows a link; a frame's `Sec-Fetch-Dest` is `iframe`."""
    wanted = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    return scope.get("method") in {"GET", "HEAD"} and all(
        headers.get(name) == value for name, value in wanted.items()
    )


def _is_own(origin: str, host: str) -> bool:
    """Whether an origin is this server, which may be behind a proxy that speaks TLS."""
    try:
        page = urlsplit(origin)
        here = urlsplit(f"{page.scheme}://{host}")
        default = DEFAULT_PORTS[page.scheme]
        same_port = (page.port or default) == (here.port or default)
    except (KeyError, ValueError):  # "null", or no URL at all
        return False
    return same_port and page.hostname == here.hostname


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    message = "a page of another origin sent this; allow its origin with --cors-origin"
    await refuse(403, message, SECURITY_HEADERS)(scope, receive, send)


def _with_security_headers(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(SECURITY_HEADERS)
        await send(message)

    return with_headers
