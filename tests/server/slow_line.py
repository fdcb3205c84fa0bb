"""A slow line between a page and its server."""

from __future__ import annotations

from typing import Any

import pytest


class SlowLine:
    """Holds back what the server sends to the page."""

    def __init__(self) -> None:
        self.is_held = False
        self._held: list[Any] = []

    def connect(self, socket: Any) -> None:
        """Stand between the page's socket and the server's."""
        self._socket = socket
        socket.connect_to_server().on_message(self._pass)

    def wait_for(self, page: Any, text: bytes) -> None:
        """Until the server has sent this."""
        for _ in range(1200):
            if any(text in message for message in self._held):
                return
            page.wait_for_timeout(50)
        pytest.fail("the server did not send it")

    def release(self) -> None:
        """Let everything through, in its order."""
        self.is_held = False
        for message in self._held:
            self._socket.send(message)

    def _pass(self, message: Any) -> None:
        self._held.append(message) if self.is_held else self._socket.send(message)
