"""What clients send to the feedback path."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from qwen_rerank.server.schemas import CHECKED, Body, Boolean, Index


class RankingFeedback(Body):
    """Which results of a rerank were relevant, and whether the answer was adopted.

    One of the two at least. Of each the last value counts; null changes nothing.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"properties": {"relevant": {"type": "array"}}, "required": ["relevant"]},
                {"properties": {"adopted": {"type": "boolean"}}, "required": ["adopted"]},
            ]
        }
    )

    id: Annotated[str, Field(min_length=1, max_length=100)]
    """The `X-Rerank-Id` of the reply, which is also its `id`."""
    reranked: Literal[True] = True
    relevant: Annotated[list[Index], *CHECKED] | None = None
    """The `index` of each relevant document; an empty list means that there is none."""
    adopted: Boolean | None = None
    """Whether the user took the final answer."""


class AnswerFeedback(Body):
    """Whether the user took an answer that was made without reranking, which has no id."""

    id: None = None
    reranked: Literal[False]
    relevant: None = None
    adopted: Boolean
    """Whether the user took the answer."""


def feedback_type(content: Any) -> type[RankingFeedback] | type[AnswerFeedback]:
    """The model for a body on the feedback path."""
    without = isinstance(content, dict) and content.get("reranked") is False
    return AnswerFeedback if without else RankingFeedback
