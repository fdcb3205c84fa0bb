"""The rerank routes: this project's own and those that existing clients call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from starlette.exceptions import HTTPException

from qwen_rerank.server import answers
from qwen_rerank.server.disconnect import while_connected
from qwen_rerank.server.examples import RERANK_API, V1_API
from qwen_rerank.server.schemas import RerankBody, TextsBody, kind_of
from qwen_rerank.server.service import Ranking, Service

RERANK_ID = "X-Rerank-Id"
"""The header that names a ranking for feedback, whatever the shape of the reply."""

router = APIRouter(tags=["rerank"])


def service_of(request: Request) -> Service:
    """The service of the app that the request came to."""
    service: Service = request.app.state.service
    return service


async def json_of(request: Request) -> Any:
    """The body; only as JSON, which a page of another site can't send without asking."""
    if "json" not in request.headers.get("content-type", ""):
        raise HTTPException(415, "the body must be JSON, with Content-Type: application/json")
    body = await request.body()
    try:
        return json.loads(body, strict=False)  # raw control characters count as escaped ones do
    except (ValueError, RecursionError):
        raise HTTPException(400, "the body is not JSON") from None


Here = Annotated[Service, Depends(service_of)]


@router.post("/rerank", openapi_extra=RERANK_API)
async def rerank(request: Request, response: Response, service: Here) -> Any:
    """Rerank documents for a query, best first.

    With `texts` instead of `documents`, the request and the reply are those of Text
    Embeddings Inference. With `documents`, the reply holds `reranked_documents`, and for
    the clients of other servers `results` too.
    """
    content = await json_of(request)
    body = kind_of(content).model_validate(content)
    if isinstance(body, TextsBody):
        found = await _ranked(request, response, service, body, body.texts)
        return answers.bare(found.results, body.texts, with_texts=bool(body.return_text))
    texts = body.document_texts
    found = await _ranked(request, response, service, body, texts)
    return {**answers.own(found.results, texts), **_common(service, body, found, texts, "1")}


@router.post("/v1/rerank", openapi_extra=V1_API)
async def rerank_v1(request: Request, response: Response, service: Here) -> Any:
    """Rerank for clients of Cohere's first API, Jina, Voyage, vLLM, LocalAI and the like."""
    return await _rerank_common(request, response, service, "1")


@router.post("/v2/rerank", openapi_extra=V1_API)
async def rerank_v2(request: Request, response: Response, service: Here) -> Any:
    """Rerank for clients of Cohere's second API."""
    return await _rerank_common(request, response, service, "2")


async def _rerank_common(
    request: Request, response: Response, service: Service, version: str
) -> Any:
    body = RerankBody.model_validate(await json_of(request))
    texts = body.document_texts
    found = await _ranked(request, response, service, body, texts)
    return _common(service, body, found, texts, version)


async def _ranked(
    request: Request,
    response: Response,
    service: Service,
    body: RerankBody | TextsBody,
    documents: Sequence[str],
) -> Ranking:
    request.state.documents = len(documents)
    if not documents:
        raise HTTPException(422, "documents must hold at least one text")
    chosen = body if isinstance(body, RerankBody) else None
    work = service.rerank(
        body.query,
        documents,
        instruction=body.instruction,
        top_n=chosen.top_n if chosen else None,
        score_threshold=chosen.score_threshold if chosen else None,
    )
    found = await while_connected(request, work)
    response.headers[RERANK_ID] = found.id
    return found


def _common(
    service: Service, body: RerankBody, found: Ranking, texts: list[str], version: str
) -> dict[str, Any]:
    return answers.common(
        found.id,
        found.results,
        texts,
        service.settings.model,
        version=version,
        with_texts=bool(body.return_documents),
    )
