"""The route for feedback on rankings."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException

from qwen_rerank.server.auth import require_key
from qwen_rerank.server.body import JSONBody
from qwen_rerank.server.examples import FEEDBACK_API
from qwen_rerank.server.feedback_body import AnswerFeedback, feedback_type
from qwen_rerank.server.routes import ServiceOfApp

router = APIRouter(tags=["feedback"], dependencies=[Depends(require_key)])


@router.post("/feedback", openapi_extra=FEEDBACK_API)
async def feedback(service: ServiceOfApp, content: JSONBody) -> dict[str, Any]:
    """Say which results of a rerank were relevant, and whether the final answer was adopted.

    Status 200 means that it is kept. When it is sent again, the last value counts. An answer
    that was made without reranking has no id: `{"reranked": false, "adopted": true}` counts it.
    """
    body = feedback_type(content).read(content, service.settings.max_documents)
    if service.recorder is None:
        raise HTTPException(404, "no feedback is kept here: it needs --feedback FILE")
    if isinstance(body, AnswerFeedback):
        await service.recorder.answer(body.adopted)
    else:
        await service.recorder.feedback(body.id, body.relevant, body.adopted)
    return body.model_dump(exclude_unset=True)
