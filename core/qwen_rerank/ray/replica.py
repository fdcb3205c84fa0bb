"""One replica: the server's app, loaded and warmed up before it gets requests."""

from __future__ import annotations

from fastapi import FastAPI

from qwen_rerank.ray.settings import FleetSettings
from qwen_rerank.server.app import make_app
from qwen_rerank.server.service import Service


class Replica:
    """A Ray Serve deployment; `serve.ingress` adds what makes it one.

    All methods run on one event loop, that of the requests.
    """

    def __init__(self, settings: FleetSettings) -> None:
        self._service = Service(settings)

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Called by Serve; the lifespan of the app starts and stops the service."""
        return make_app(self._service)

    async def check_health(self) -> None:
        """Called by Serve, once before a replica gets requests and then every few seconds.

        The first call waits until the model is loaded and warm. Serve replaces a replica whose
        check raises or does not return in time.
        """
        await self._service.check_model()
