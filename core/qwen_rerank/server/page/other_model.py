"""The second model, which the page compares the served one with."""

from __future__ import annotations

import asyncio

from qwen_rerank.server.errors import log_failure
from qwen_rerank.server.service import Service
from qwen_rerank.server.settings import ServerSettings


class OtherModel:
    """A service with limits of its own. Its model loads when it is first needed.

    Args:
        settings: Of the server; all but the model hold for this one, too.
        name: The model.
    """

    def __init__(self, settings: ServerSettings, name: str) -> None:
        changes = {"model": name, "compare_model": None, "feedback": None, "feedback_texts": False}
        self.name = name
        self._service = Service(settings.model_copy(update=changes))
        self._loading: asyncio.Task[None] | None = None

    async def service(self) -> Service:
        """The service, once its model is loaded; a visitor who leaves does not stop that."""
        if self._loading is None:
            self._loading = asyncio.create_task(self._load())
        await asyncio.shield(self._loading)
        return self._service

    async def _load(self) -> None:
        await self._service.start()
        if self._service.failure is not None:
            log_failure(self._service.failure)
