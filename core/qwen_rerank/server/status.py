"""Whether the server lives, whether it takes requests, and what it counts."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from qwen_rerank import __version__
from qwen_rerank.server.errors import refuse
from qwen_rerank.server.routes import Here

router = APIRouter(tags=["status"])


@router.head("/health", include_in_schema=False)
@router.get("/health")
async def health(service: Here) -> dict[str, Any]:
    """200 as long as the process lives; names the model."""
    return {
        "status": "ok",
        "state": service.state,
        "model": service.settings.model,
        "version": __version__,
    }


@router.head("/ready", include_in_schema=False, response_model=None)
@router.get("/ready", response_model=None)
async def ready(service: Here) -> dict[str, Any] | Response:
    """200 when requests are welcome; 503 while the model loads and when the server stops."""
    if service.state == "ready":
        return {"status": "ready", "model": service.settings.model}
    return refuse(503, f"not ready: {service.state}", {"Retry-After": "5"})


@router.head("/metrics", include_in_schema=False, response_class=Response)
@router.get("/metrics", response_class=Response)
async def metrics(service: Here) -> Response:
    """For Prometheus."""
    if service.recorder is not None:
        await service.recorder.refresh()
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
