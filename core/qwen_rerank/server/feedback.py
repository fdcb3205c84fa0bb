"""The route on which users say what a ranking was good for."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException

from qwen_rerank.server.examples import FEEDBACK_API
from qwen_rerank.server.routes import Here, json_of
from qwen_rerank.server.schemas import FeedbackBody

router = APIRouter(tags=["feedback"])


@router.post("/feedback", openapi_extra=FEEDBACK_API)
async def feedback(request: Request, service: Here) -> dict[str, Any]:
    """Say which results of a rerank were relevant, and whether the final answer was adopted.

    What is answered with 200 is kept. Said again, the last time counts. An answer that was
    made without reranking has no id: `{"reranked": false, "adopted": true}` counts it.
    """
    body = FeedbackBody.model_validate(await json_of(request))
    if service.recorder is None:
        raise HTTPException(404, "no feedback is kept here: it needs --feedback FILE")
    if body.id is not None:
        await service.recorder.feedback(body.id, body.relevant, body.adopted)
    else:
        await service.recorder.answer(bool(body.adopted))
    return body.model_dump(exclude_unset=True)
