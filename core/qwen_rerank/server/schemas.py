"""What clients send."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

TopN = Annotated[int, Field(strict=True, ge=1)]


class TextDocument(BaseModel):
    """A document as an object, as Cohere's first API allows it."""

    text: str


_TEXT_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    ]
}


class RerankBody(BaseModel):
    """A query and its candidates.

    Fields that other servers know and this one does not need, such as `model`, are ignored,
    and so is null where a field may be left out.
    """

    model_config = ConfigDict(hide_input_in_errors=True, use_attribute_docstrings=True)

    query: str
    """What is searched for."""
    documents: list[Annotated[str | TextDocument, WithJsonSchema(_TEXT_SCHEMA)]]
    """The candidates, in the retriever's order."""
    top_n: TopN | None = Field(default=None, validation_alias=AliasChoices("top_n", "top_k"))
    """The most results to return; all when left out."""
    instruction: str | None = Field(
        default=None, validation_alias=AliasChoices("instruction", "instruct")
    )
    """The task in one English sentence; the server's own when left out."""
    score_threshold: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    """Leave out documents that score below this value."""
    return_documents: bool | None = None
    """Whether `results` repeat the documents' texts."""

    @property
    def document_texts(self) -> list[str]:
        """The documents as plain texts."""
        return [d if isinstance(d, str) else d.text for d in self.documents]


class TextsBody(BaseModel):
    """The same as Text Embeddings Inference takes it."""

    model_config = ConfigDict(hide_input_in_errors=True, use_attribute_docstrings=True)

    query: str
    """What is searched for."""
    texts: list[str]
    """The candidates, in the retriever's order."""
    return_text: bool | None = None
    """Whether the reply repeats the texts."""
    instruction: str | None = None
    """The task in one English sentence; the server's own when left out."""


class FeedbackBody(BaseModel):
    """What somebody says of a rerank: which results were relevant, whether the answer was taken.

    Of each of the two, the last that was said counts; null says nothing.
    """

    model_config = ConfigDict(hide_input_in_errors=True, use_attribute_docstrings=True)

    id: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """The `X-Rerank-Id` of the reply, which is also its `id`."""
    reranked: Annotated[bool, Field(strict=True)] = True
    """False, with `adopted` and no id, for an answer that was made without reranking."""
    relevant: list[Annotated[int, Field(strict=True, ge=0)]] | None = None
    """The `index` of each relevant document; an empty list says that there is none."""
    adopted: Annotated[bool, Field(strict=True)] | None = None
    """Whether the final answer was taken."""

    @model_validator(mode="after")
    def _name_what_is_meant(self) -> FeedbackBody:
        """A lost id must not pass for an answer without reranking."""
        if self.reranked and self.id is None:
            raise ValueError("id is needed, or reranked false")
        if not self.reranked and (self.id or self.relevant is not None or self.adopted is None):
            raise ValueError("with reranked false, adopted is needed, and neither id nor relevant")
        return self


def kind_of(body: Any) -> type[RerankBody] | type[TextsBody]:
    """Which of the two a body is meant to be."""
    texts = isinstance(body, dict) and "texts" in body and "documents" not in body
    return TextsBody if texts else RerankBody
