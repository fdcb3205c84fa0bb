"""Asks the service from the thread that Streamlit runs the page in."""

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
from qwen_rerank.server.page.outcome import Outcome
from qwen_rerank.server.service import Service

PULSE = 0.25
"""Seconds between two looks at whether the visitor still waits."""


def ask(
    service: Service,
    query: str,
    documents: Sequence[str],
    choice: Choice,
    look: Callable[[], object],
) -> Outcome:
    """Rank; the page's requests wait in the same queue as everyone's.

    Args:
        service: Scores.
        query: What is searched for.
        documents: The candidates.
        choice: The visitor's settings.
        look: Called now and then; what it raises ends the wait.

    Raises:
        QwenRerankError: As `Service.rerank` raises.
    """
    work = service.rerank(query, documents, top_n=choice.top_n, instruction=choice.instruction)
    coming = asyncio.run_coroutine_threadsafe(work, service.loop)
    try:
        while not wait([coming], PULSE).done:
            look()
        found = coming.result()
    finally:
        coming.cancel()  # a visitor who clicks again or leaves frees the queue
    return Outcome(query, documents, found.results, found.seconds, found.id)


def reason(error: Exception, service: Service) -> str:
    """Which of the page's words tells this error; the log gets what they leave out."""
    if isinstance(error, OverloadedError):
        return service.state if service.state in {"loading", "stopping"} else "overloaded"
    kinds = {
        DeadlineError: "late",
        RequestTooLargeError: "too_large",
        InvalidInputError: "too_large",
    }
    for kind, words in kinds.items():
        if isinstance(error, kind):
            return words
    log_failure(error)
    return "failed"
