"""The rerank routes, of this project and of other servers' clients, and the status routes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from qwen_rerank import __version__
from qwen_rerank.server.auth import require_key
from qwen_rerank.server.body import JSONBody
from qwen_rerank.server.errors import refuse
from qwen_rerank.server.examples import RERANK_API, V1_API
from qwen_rerank.server.schemas import (
    RerankBody,
    TextsBody,
    body_type,
    common_reply,
    native_reply,
    tei_reply,
)
from qwen_rerank.server.service import ServedRanking, Service
from qwen_rerank.server.telemetry import STATUS

T = TypeVar("T")

ID_HEADER = "X-Rerank-Id"
"""The header that names a ranking for feedback, whatever the shape of the reply."""

router = APIRouter(tags=["rerank"], dependencies=[Depends(require_key)])
status_router = APIRouter(tags=[STATUS])


def service_of(request: Request) -> Service:
    """The service of the app that got the request."""
    service: Service = request.app.state.service
    return service


ServiceOfApp = Annotated[Service, Depends(service_of)]


@router.post("/rerank", openapi_extra=RERANK_API)
async def rerank(request: Request, service: ServiceOfApp, content: JSONBody) -> Response:
    """Rerank documents for a query, best first.

    With `texts` instead of `documents`, the request and the reply are those of Text
    Embeddings Inference. With `documents`, the reply holds `reranked_documents`, and for
    the clients of other servers `results` too.
    """
    body = body_type(content).read(content, service.settings.max_documents)
    ranking = await _rank(request, service, body)
    if isinstance(body, TextsBody):
        reply = tei_reply(ranking.results, body.texts, with_texts=bool(body.return_text))
        return _response(ranking, reply)
    native = native_reply(ranking.results, body.documents)
    return _response(ranking, {**native, **_common(service, body, ranking, "1")})


@router.post("/v1/rerank", openapi_extra=V1_API)
async def rerank_v1(request: Request, service: ServiceOfApp, content: JSONBody) -> Response:
    """Rerank for clients of Cohere's first API, Jina, Voyage, vLLM, LocalAI and the like."""
    body = RerankBody.read(content, service.settings.max_documents)
    ranking = await _rank(request, service, body)
    return _response(ranking, _common(service, body, ranking, "1"))


@router.post("/v2/rerank", openapi_extra=V1_API)
async def rerank_v2(request: Request, service: ServiceOfApp, content: JSONBody) -> Response:
    """Rerank for clients of Cohere's second API."""
    body = RerankBody.read(content, service.settings.max_documents)
    ranking = await _rank(request, service, body)
    return _response(ranking, _common(service, body, ranking, "2"))


async def _rank(request: Request, service: Service, body: RerankBody | TextsBody) -> ServedRanking:
    request.state.documents = len(body.candidates)
    if not body.candidates:
        raise HTTPException(422, "documents must hold at least one text")
    work = service.rerank(
        body.query,
        body.candidates,
        instruction=body.instruction,
        top_n=body.top_n,
        score_threshold=body.score_threshold,
    )
    return await _while_connected(request, work)


def _response(ranking: ServedRanking, reply: Any) -> Response:
    """The reply as JSON; to_json writes UTF-8 at once, which takes a third of the memory."""
    headers = {ID_HEADER: ranking.id}
    return Response(to_json(reply), media_type="application/json", headers=headers)


async def _while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of the work, which is cancelled when the client hangs up.

    Raises:
        ClientDisconnect: The client hung up.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        leaving.cancel()
        working.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _common(
    service: Service, body: RerankBody, ranking: ServedRanking, version: str
) -> dict[str, Any]:
    return common_reply(
        ranking.id,
        ranking.results,
        body.documents,
        service.settings.model,
        version=version,
        with_texts=bool(body.return_documents),
    )


@status_router.head("/health", include_in_schema=False)
@status_router.get("/health")
async def health(service: ServiceOfApp) -> dict[str, Any]:
    """200 as long as the process lives; names the model."""
    return {
        "status": "ok",
        "state": service.state,
        "model": service.settings.model,
        "version": __version__,
    }


@status_router.head("/ready", include_in_schema=False, response_model=None)
@status_router.get("/ready", response_model=None)
async def ready(service: ServiceOfApp) -> dict[str, Any] | Response:
    """200 when requests are welcome; 503 while the model loads and when the server stops."""
    if service.state == "ready":
        return {"status": "ready", "model": service.settings.model}
    return refuse(503, f"not ready: {service.state}", {"Retry-After": "5"})


@status_router.head("/metrics", include_in_schema=False, response_class=Response)
@status_router.get("/metrics", response_class=Response)
async def metrics(service: ServiceOfApp) -> Response:
    """For Prometheus."""
    if service.recorder is not None:
        await service.recorder.refresh()
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
