"""What clients send, and what the server sends back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from qwen_rerank._validation import checked_text
from qwen_rerank.errors import RequestTooLargeError
from qwen_rerank.rows import rows
from qwen_rerank.types import RerankResult

_DOCUMENT = {
    "anyOf": [
        {"type": "string"},
        {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    ]
}


def _document_text(document: Any) -> Any:
    """The text of a document, which may be an object as Cohere's first API allows it."""
    text = document.get("text") if isinstance(document, dict) else document
    if not isinstance(text, str):
        raise PydanticCustomError("document", 'must be a text, or an object with a "text"')
    return _storable(text)


def _storable(text: str) -> str:
    """The text with U+FFFD in place of lone surrogates: JavaScript clients cut emoji in two."""
    return checked_text("a text", text)


def _check_count(values: Any, info: ValidationInfo) -> Any:
    """Refuse a list that is too long before any item is looked at."""
    limit = (info.context or {}).get("max_documents")
    if isinstance(values, list) and limit is not None and len(values) > limit:
        raise RequestTooLargeError(
            f"{len(values)} {info.field_name}, and {limit} is the most: send them in several "
            "requests"
        )
    return values


_FEW = (Field(fail_fast=True), BeforeValidator(_check_count))
"""The checks of each list that clients send: its length, then its items up to a bad one."""

Text = Annotated[str, AfterValidator(_storable)]
Document = Annotated[str, BeforeValidator(_document_text), WithJsonSchema(_DOCUMENT)]
Index = Annotated[int, Field(strict=True, ge=0)]
TopN = Annotated[int, Field(strict=True, ge=1)]
Boolean = Annotated[bool, Field(strict=True)]


class Body(BaseModel):
    """What all bodies have in common.

    Fields that other servers know and this one does not need, such as `model`, are ignored,
    and so is null where a field may be left out.
    """

    model_config = ConfigDict(hide_input_in_errors=True, use_attribute_docstrings=True)

    @classmethod
    def read(cls, content: Any, max_documents: int) -> Self:
        """The body that a client sent.

        Raises:
            ValidationError: It is not of this shape.
            RequestTooLargeError: A list in it has more than `max_documents` items.
        """
        return cls.model_validate(content, context={"max_documents": max_documents})


class RankingBody(Body):
    """What each request for a ranking may hold."""

    query: Text
    """The search query."""
    top_n: TopN | None = Field(default=None, validation_alias=AliasChoices("top_n", "top_k"))
    """The most results to return; all when left out."""
    instruction: Text | None = Field(
        default=None, validation_alias=AliasChoices("instruction", "instruct")
    )
    """The task in one English sentence; the server's own when left out."""
    score_threshold: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    """Leave out documents that score below this value."""


class RerankBody(RankingBody):
    """A query and its candidates."""

    documents: Annotated[list[Document], *_FEW]
    """The candidates, in the retriever's order."""
    return_documents: bool | None = None
    """Whether `results` repeat the documents' texts."""

    @property
    def candidates(self) -> list[str]:
        """The texts to rank."""
        return self.documents


class TextsBody(RankingBody):
    """The same in the form of Text Embeddings Inference."""

    texts: Annotated[list[Text], *_FEW]
    """The candidates, in the retriever's order."""
    return_text: bool | None = None
    """Whether the reply repeats the texts."""

    @property
    def candidates(self) -> list[str]:
        """The texts to rank."""
        return self.texts


class FeedbackBody(Body):
    """Which results of a rerank were relevant, and whether the answer was adopted.

    Of each of the two the last value counts; null changes nothing.
    """

    id: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """The `X-Rerank-Id` of the reply, which is also its `id`."""
    reranked: Boolean = True
    """False, with `adopted` and no id, for an answer that was made without reranking."""
    relevant: Annotated[list[Index], *_FEW] | None = None
    """The `index` of each relevant document; an empty list means that there is none."""
    adopted: Boolean | None = None
    """Whether the user took the final answer."""

    @model_validator(mode="after")
    def _check_id(self) -> FeedbackBody:
        """Without this, a lost id would count as an answer without reranking."""
        if self.reranked and self.id is None:
            raise ValueError("id is needed, or reranked false")
        if not self.reranked and (self.id or self.relevant is not None or self.adopted is None):
            raise ValueError("with reranked false, adopted is needed, and neither id nor relevant")
        return self


def body_type(content: Any) -> type[RerankBody] | type[TextsBody]:
    """The model for the body of `POST /rerank`, which takes two shapes."""
    texts = isinstance(content, dict) and "texts" in content and "documents" not in content
    return TextsBody if texts else RerankBody


def native_reply(results: Sequence[RerankResult], documents: Sequence[str]) -> dict[str, Any]:
    """This project's shape: each document with its score, its rank and its original index."""
    return {"reranked_documents": rows(results, documents)}


def common_reply(
    rerank_id: str,
    results: Sequence[RerankResult],
    documents: Sequence[str],
    model: str,
    *,
    version: str,
    with_texts: bool,
) -> dict[str, Any]:
    """One shape that the clients of Cohere, Jina, Voyage, vLLM and Infinity all parse.

    `document` is there on request only: some clients fail on null, some on a text and some
    on an object. Tokens are not counted, and nothing is billed.
    """
    scored = [
        {
            "index": result.index,
            "relevance_score": result.score,
            **({"document": {"text": documents[result.index]}} if with_texts else {}),
        }
        for result in results
    ]
    return {
        "id": rerank_id,
        "object": "rerank",
        "created": int(time.time()),
        "model": model,
        "results": scored,
        "data": scored,
        "usage": {"prompt_tokens": 0, "total_tokens": 0},
        "meta": {"api_version": {"version": version}, "billed_units": {"search_units": 0}},
    }


def tei_reply(
    results: Sequence[RerankResult], texts: Sequence[str], *, with_texts: bool
) -> list[dict[str, Any]]:
    """The shape of Text Embeddings Inference: a list, best first."""
    return [
        {
            "index": result.index,
            "score": result.score,
            **({"text": texts[result.index]} if with_texts else {}),
        }
        for result in results
    ]
