"""How large a request may be, once it is read."""

from __future__ import annotations

from collections.abc import Sequence

from qwen_rerank.errors import RequestTooLargeError
from qwen_rerank.server.settings import ServerSettings


def check_size(
    settings: ServerSettings, query: str, documents: Sequence[str], instruction: str | None
) -> None:
    """Raise RequestTooLargeError for too many documents, or too long a query or instruction."""
    if len(documents) > settings.max_documents:
        raise RequestTooLargeError(
            f"{len(documents)} documents, and {settings.max_documents} is the most: send them "
            "in several requests"
        )
    _check_length(settings, "query", query)
    _check_length(settings, "instruction", instruction or "")


def _check_length(settings: ServerSettings, name: str, text: str) -> None:
    if len(text) > settings.max_text:
        raise RequestTooLargeError(
            f"{name} has {len(text)} characters, and {settings.max_text} is the most"
        )
