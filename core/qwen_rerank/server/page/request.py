"""Calls the service from the thread that Streamlit runs the page in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import wait

from qwen_rerank.errors import (
    DeadlineError,
    InvalidInputError,
    OverloadedError,
    RequestTooLargeError,
)
from qwen_rerank.server.errors import log_failure
from qwen_rerank.server.page.choice import PageRequest
from qwen_rerank.server.page.other_model import OtherModel
from qwen_rerank.server.page.shown import ShownRanking
from qwen_rerank.server.page.translations import Translator
from qwen_rerank.server.service import Service

POLL_SECONDS = 0.25
"""Between two checks of whether the visitor still waits."""


def rerank_for_page(
    service: Service,
    other: OtherModel | None,
    request: PageRequest,
    check: Callable[[], object],
) -> tuple[ShownRanking, ...]:
    """Rerank for a visitor, in the same queue as the requests to the API.

    Args:
        service: Scores.
        other: Scores, too, if the request compares models.
        request: The visitor's texts and settings.
        check: Called again and again; what it raises ends the wait.

    Returns:
        One ranking, or two if the request compares.

    Raises:
        QwenRerankError: As `Service.rerank` raises.
    """
    choice = request.choice
    work = [_rank(service, request, choice.instruction)]
    if choice.comparison == "instruction":
        work.append(_rank(service, request, choice.other_instruction))
    if choice.comparison == "model" and other is not None:
        work.append(_rank_with(other, request))
    coming = [asyncio.run_coroutine_threadsafe(one, service.loop) for one in work]
    try:
        while wait(coming, POLL_SECONDS).not_done:
            check()
        return tuple(one.result() for one in coming)
    finally:
        for one in coming:
            one.cancel()  # a visitor who clicks again or leaves frees the queue


async def _rank(service: Service, request: PageRequest, instruction: str | None) -> ShownRanking:
    await service.loaded.wait()
    query, documents, top_n = request.query, request.documents, request.choice.top_n
    found = await service.rerank(query, documents, top_n=top_n, instruction=instruction)
    id_ = "" if service.recorder is None else found.id
    model = service.settings.model
    return ShownRanking(query, documents, found.results, found.seconds, model, instruction, id_)


async def _rank_with(other: OtherModel, request: PageRequest) -> ShownRanking:
    return await _rank(await other.service(), request, request.choice.instruction)


def explanation(
    error: Exception, service: Service, request: PageRequest, translate: Translator
) -> tuple[str, str]:
    """What happened, in the visitor's language, and the API's own message on it, in English.

    Errors that the API does not explain to its clients have no message; the log has it.
    """
    key = _text_key(error, service, request)
    if key is None:
        log_failure(error)
        return translate("failed"), ""
    return translate(key), translate("original_message", message=error)


def _text_key(error: Exception, service: Service, request: PageRequest) -> str | None:
    """The key of the text that tells this error, if the API explains it to its clients."""
    if isinstance(error, OverloadedError):
        return "stopping" if service.state == "stopping" else "overloaded"
    if isinstance(error, DeadlineError):
        return "late"
    if isinstance(error, RequestTooLargeError):
        too_many = len(request.documents) > service.settings.max_documents
        return "too_many" if too_many else "too_large"
    return "invalid" if isinstance(error, InvalidInputError) else None
