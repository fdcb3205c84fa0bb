"""Asks the service from the thread that Streamlit runs the page in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from qwen_rerank.errors import InvalidInputError, QwenRerankError
from qwen_rerank.server.page.choice import Choice
from qwen_rerank.server.page.outcome import Outcome
from qwen_rerank.server.refusals import DeadlineError, OverloadedError, TooLargeError
from qwen_rerank.server.service import Service


def ask(service: Service, query: str, documents: Sequence[str], choice: Choice) -> Outcome:
    """Rank; the page's requests wait in the same queue as everyone's.

    Raises:
        QwenRerankError: As `Service.rerank` raises.
    """
    work = service.rerank(query, documents, top_n=choice.top_n, instruction=choice.instruction)
    coming = asyncio.run_coroutine_threadsafe(work, service.loop)
    try:
        found = coming.result()
    finally:
        coming.cancel()  # a visitor who clicks again or leaves frees the queue
    return Outcome(query, documents, found.results, found.seconds, found.id)


def reason(error: QwenRerankError, service: Service) -> str:
    """Which of the page's words tells this error."""
    if isinstance(error, OverloadedError):
        return service.state if service.state in {"loading", "stopping"} else "overloaded"
    kinds = {DeadlineError: "late", TooLargeError: "too_large", InvalidInputError: "too_large"}
    return next((words for kind, words in kinds.items() if isinstance(error, kind)), "failed")
