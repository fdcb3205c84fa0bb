"""Calls the service from the thread that Streamlit runs the page in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import wait

from qwen_rerank.errors import (
    DeadlineError,
    InvalidInputError,
    OverloadedError,
    RequestTooLargeError,
)
from qwen_rerank.server.errors import log_failure
from qwen_rerank.server.page.choice import Choice
from qwen_rerank.server.page.shown import ShownRanking
from qwen_rerank.server.service import Service

POLL_SECONDS = 0.25
"""Between two checks of whether the visitor still waits."""


def rerank_for_page(
    service: Service,
    query: str,
    documents: Sequence[str],
    choice: Choice,
    check: Callable[[], object],
) -> ShownRanking:
    """Rerank for a visitor, in the same queue as the requests to the API.

    Args:
        service: Scores.
        query: What is searched for.
        documents: The candidates.
        choice: The visitor's settings.
        check: Called again and again; what it raises ends the wait.

    Raises:
        QwenRerankError: As `Service.rerank` raises.
    """
    work = service.rerank(query, documents, top_n=choice.top_n, instruction=choice.instruction)
    coming = asyncio.run_coroutine_threadsafe(work, service.loop)
    try:
        while not wait([coming], POLL_SECONDS).done:
            check()
        found = coming.result()
    finally:
        coming.cancel()  # a visitor who clicks again or leaves frees the queue
    return ShownRanking(query, documents, found.results, found.seconds, found.id)


def error_key(error: Exception, service: Service) -> str:
    """The key of the text that tells this error; the log gets the details."""
    if isinstance(error, OverloadedError):
        return service.state if service.state in {"loading", "stopping"} else "overloaded"
    if isinstance(error, DeadlineError):
        return "late"
    if isinstance(error, RequestTooLargeError | InvalidInputError):
        return "too_large"
    log_failure(error)
    return "failed"
