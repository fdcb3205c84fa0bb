"""Reads the JSON of a request, within limits of bytes and of values."""

from __future__ import annotations

import json
import re
from asyncio import to_thread
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from qwen_rerank.errors import OverloadedError, RequestTooLargeError

DISCARDED = 8
"""How many times the limit is read and thrown away, so that a client that sends before it
reads still gets the answer; after that its connection closes."""
BODIES = 8
"""How many bodies of the largest size may be in memory at the same time."""
VALUES_PER_DOCUMENT = 8
"""JSON values that a body may hold for each document: an object with a few fields. A million
empty objects take over twenty times the memory of their text."""

LARGE = 262_144
"""A body of more bytes is parsed in a thread, not in the event loop."""

_STRING = re.compile(rb'"[^"]*+"?')


class BodyMemory:
    """Counts the bytes of all bodies that are in memory.

    Args:
        limit: The most bytes of one body.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0

    def take(self, count: int) -> None:
        """Count further bytes.

        Raises:
            OverloadedError: All bodies together take too much memory.
        """
        if self._used + count > BODIES * self.limit:
            raise OverloadedError("too many large requests at the same time")
        self._used += count

    def give_back(self, count: int) -> None:
        """Bytes of a body that is no longer needed."""
        self._used -= count


async def json_body(request: Request) -> AsyncIterator[Any]:
    """A dependency: the body as Python values.

    Its bytes count as taken until the request is answered, for its texts stay in memory.

    Raises:
        HTTPException: 400, not JSON; 413, too large; 415, not declared as JSON.
        OverloadedError: All bodies together take too much memory.
        ClientDisconnect: The client hung up before it had sent everything.
    """
    check_media_type(request.headers.get("content-type", ""))
    memory: BodyMemory = request.app.state.bodies
    settings = request.app.state.service.settings
    taken = 0

    def take(count: int) -> None:
        nonlocal taken
        memory.take(count)
        taken += count

    try:
        body = await _read(request, memory.limit, take)
        values = 1000 + VALUES_PER_DOCUMENT * settings.max_documents
        yield await to_thread(parse, body, values) if len(body) > LARGE else parse(body, values)
    finally:
        memory.give_back(taken)


JSONBody = Annotated[Any, Depends(json_body)]


def check_media_type(content_type: str) -> None:
    """Refuse all but JSON: what else a page can send to a foreign site needs no permission.

    Raises:
        HTTPException: 415.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "the body must be JSON, with Content-Type: application/json")


def parse(body: bytearray, most: int) -> Any:
    """The values of a JSON text; control characters in strings may stand unescaped.

    Raises:
        HTTPException: 400; it is not JSON.
        RequestTooLargeError: There are more than `most` values.
    """
    check_values(body, most)
    try:
        text = body.decode(json.detect_encoding(body), "surrogatepass")
        body.clear()  # the text of a body with one emoji takes four times as much
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        raise HTTPException(400, "the body is not JSON") from None


def check_values(body: bytearray, most: int) -> None:
    """Count values before they are made: strings, and what commas and brackets separate.

    Raises:
        RequestTooLargeError: There are more than `most`.
    """
    if _count(body, b",", b"[", b"{", b'"') <= most:
        return  # few, even if those in texts count
    text = bytes(body).replace(b"\\\\", b"").replace(b'\\"', b"")
    count = last = 0
    for string in _STRING.finditer(text):
        count += 1 + _count(text[last : string.start()], b",", b"[", b"{")
        last = string.end()
        if count > most:
            break
    if count + _count(text[last:], b",", b"[", b"{") > most:
        raise RequestTooLargeError(f"the body has more than {most} values: send fewer documents")


def _count(text: bytes | bytearray, *separators: bytes) -> int:
    return sum(map(text.count, separators))


async def _read(request: Request, limit: int, take: Callable[[int], None]) -> bytearray:
    declared = request.headers.get("content-length", "")
    fits = not (declared.isdigit() and int(declared) > limit)
    if not fits and "expect" in request.headers:  # the client waits for leave to send it
        raise _too_large(limit)
    body, size = bytearray(), 0
    async for part in request.stream():
        size += len(part)
        fits = fits and size <= limit
        if fits:
            take(len(part))
            body += part
        elif size > limit * DISCARDED:
            break
        else:
            body.clear()
    if not fits:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> HTTPException:
    message = f"the body has more than {limit} bytes: send fewer or shorter documents"
    return HTTPException(413, message, {"Connection": "close"})
