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
from qwen_rerank.server.compatible import (
    DashScopeBody,
    InfinityBody,
    RankingsBody,
    ScoreBody,
    body_type,
    model_card,
    tei_info,
)
from qwen_rerank.server.errors import refuse
from qwen_rerank.server.examples import (
    DASHSCOPE_API,
    INFINITY_API,
    KEY_API,
    NVIDIA_API,
    READY_API,
    RERANK_API,
    SCORE_API,
    V1_API,
    V2_API,
)
from qwen_rerank.server.schemas import NativeBody, RankingBody, RerankBody, RerankV2Body
from qwen_rerank.server.service import Service
from qwen_rerank.server.telemetry import STATUS_TAG

T = TypeVar("T")

ID_HEADER = "X-Rerank-Id"
"""The header that names a ranking for feedback, whatever the shape of the reply."""

router = APIRouter(tags=["rerank"], dependencies=[Depends(require_key)], responses=KEY_API)
status_router = APIRouter(tags=[STATUS_TAG])


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
    return await _rank(request, service, content, body_type(content, NativeBody))


@router.post("/v1/rerank", openapi_extra=V1_API)
@router.post("/v1/reranking", openapi_extra=V1_API, include_in_schema=False)
@router.post("/reranking", openapi_extra=V1_API, include_in_schema=False)
async def rerank_v1(request: Request, service: ServiceOfApp, content: JSONBody) -> Response:
    """Rerank for clients of Cohere's first API, Jina, Voyage, vLLM, LocalAI and the like."""
    return await _rank(request, service, content, body_type(content, RerankBody))


@router.post("/v2/rerank", openapi_extra=V2_API)
async def rerank_v2(request: Request, service: ServiceOfApp, content: JSONBody) -> Response:
    """Rerank for clients of Cohere's second API."""
    return await _rank(request, service, content, body_type(content, RerankV2Body))


@router.post("/infinity/rerank", openapi_extra=INFINITY_API)
async def rerank_infinity(request: Request, service: ServiceOfApp, content: JSONBody) -> Response:
    """Rerank for clients of Infinity, which read `document` as a text."""
    return await _rank(request, service, content, InfinityBody)


@router.post("/api/v1/services/rerank/text-rerank/text-rerank", openapi_extra=DASHSCOPE_API)
async def rerank_dashscope(request: Request, service: ServiceOfApp, content: JSONBody) -> Response:
    """Rerank for clients of DashScope."""
    return await _rank(request, service, content, DashScopeBody)


@router.post("/v1/ranking", openapi_extra=NVIDIA_API)
async def ranking(request: Request, service: ServiceOfApp, content: JSONBody) -> Response:
    """Rerank for clients of NVIDIA's retriever; the scores are log-odds."""
    return await _rank(request, service, content, RankingsBody)


@router.post("/score", openapi_extra=SCORE_API)
@router.post("/v1/score", openapi_extra=SCORE_API, include_in_schema=False)
async def score(request: Request, service: ServiceOfApp, content: JSONBody) -> Response:
    """Score texts in their order, as vLLM does."""
    return await _rank(request, service, content, ScoreBody)


@router.get("/info")
async def info(service: ServiceOfApp) -> dict[str, Any]:
    """The model and the limits, as Text Embeddings Inference tells them."""
    return tei_info(service.settings)


@router.get("/v1/models")
async def models(service: ServiceOfApp) -> dict[str, Any]:
    """The one model, in a list as OpenAI's."""
    return {"object": "list", "data": [model_card(service.settings)]}


@router.get("/v1/models/{name:path}")
async def model(name: str, service: ServiceOfApp) -> dict[str, Any]:  # noqa: ARG001
    """The model, whatever name a client gives it, as Xinference describes it."""
    return model_card(service.settings)


async def _rank(
    request: Request, service: Service, content: Any, body_class: type[RankingBody]
) -> Response:
    """The reply as JSON; to_json writes UTF-8 at once, which takes a third of the memory."""
    body = body_class.read(content, service.settings.max_documents)
    request.state.documents = len(body.candidates)
    if not body.candidates:
        raise HTTPException(422, "documents must hold at least one text")
    work = service.rerank(
        body.query,
        body.candidates,
        instruction=body.instruction,
        top_n=body.top_n,
        score_threshold=body.score_threshold,
        max_tokens_per_doc=body.max_tokens_per_doc,
    )
    ranking = await _while_connected(request, work)
    reply = to_json(body.reply(ranking))
    headers = {ID_HEADER: ranking.id}
    return Response(reply, media_type="application/json", headers=headers)


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
@status_router.get("/ready", response_model=None, responses=READY_API)
async def ready(service: ServiceOfApp) -> dict[str, Any] | Response:
    """200 when requests are welcome; 503 while the model loads and when the server stops."""
    if service.state == "ready":
        return {"status": "ready", "model": service.settings.model}
    return refuse(503, f"not ready: {service.state}", {"Retry-After": "5"})


@status_router.get("/v1/cluster/auth", include_in_schema=False)
async def cluster_auth(service: ServiceOfApp) -> dict[str, bool]:
    """Whether Xinference's client has to send its key."""
    return {"auth": service.settings.server_api_key is not None}


@status_router.head("/metrics", include_in_schema=False, response_class=Response)
@status_router.get("/metrics", response_class=Response)
async def metrics(service: ServiceOfApp) -> Response:
    """For Prometheus."""
    if service.recorder is not None:
        await service.recorder.refresh()
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
