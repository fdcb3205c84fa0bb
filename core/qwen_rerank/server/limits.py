"""How large a request may be, once it is read."""

from __future__ import annotations

from collections.abc import Sequence

from qwen_rerank.errors import RequestTooLargeError
from qwen_rerank.server.settings import ServerSettings


def check_size(
    settings: ServerSettings, query: str, documents: Sequence[str], instruction: str | None
) -> None:
    """Raise RequestTooLargeError for too many documents, or too long a query or instruction."""
    check_count(len(documents), settings.max_documents)
    _check_length(settings, "query", query)
    _check_length(settings, "instruction", instruction or "")


def check_count(documents: int, most: int) -> None:
    """Raise RequestTooLargeError for too many documents."""
    if documents > most:
        raise RequestTooLargeError(
            f"{documents} documents, and {most} is the most: send them in several requests"
        )


def _check_length(settings: ServerSettings, name: str, text: str) -> None:
    if len(text) > settings.max_text:
        raise RequestTooLargeError(
            f"{name} has {len(text)} characters, and {settings.max_text} is the most"
        )
