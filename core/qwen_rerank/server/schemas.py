"""What clients send, and what the server sends back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from qwen_rerank._validation import checked_text
from qwen_rerank.log_odds import log_odds
from qwen_rerank.rows import rows
from qwen_rerank.server.limits import check_count
from qwen_rerank.server.ranking import ServedRanking

_TEXT_OBJECT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
_DOCUMENT = {"anyOf": [{"type": "string"}, _TEXT_OBJECT]}
NON_BLANK = {"type": "string", "pattern": r"\S"}
"""The JSON schema of a query or an instruction."""


def text_of(document: Any) -> Any:
    """The text of a document, which may be an object as Cohere's first API allows it."""
    text = document.get("text") if isinstance(document, dict) else document
    if not isinstance(text, str):
        raise PydanticCustomError("document", 'must be a text, or an object with a "text"')
    return _storable(text)


def _storable(text: str) -> str:
    """The text with U+FFFD in place of lone surrogates: JavaScript clients cut emoji in two."""
    return checked_text("a text", text)


def _whole(number: Any) -> Any:
    """5 for 5.0: JSON knows one kind of number."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


FLAGS = {"true": True, "false": False}
"""What some clients send in place of JSON's true and false, RAGFlow for one."""


def _flag(value: Any) -> Any:
    return FLAGS.get(value, value) if isinstance(value, str) else value


def _check_count(values: Any, info: ValidationInfo) -> Any:
    """Refuse a list that is too long before any item is looked at."""
    if isinstance(values, list):
        check_count(len(values), (info.context or {})["max_documents"])
    return values


CHECKED = (Field(fail_fast=True), BeforeValidator(_check_count))
"""The checks of each list that clients send: its length, then its items up to a bad one."""
CANDIDATES = (*CHECKED, Field(json_schema_extra={"minItems": 1}))
"""`CHECKED`, of a list of candidates; the route refuses an empty one, whatever its name."""

Text = Annotated[str, AfterValidator(_storable)]
NonBlankText = Annotated[Text, WithJsonSchema(NON_BLANK)]
Document = Annotated[str, BeforeValidator(text_of), WithJsonSchema(_DOCUMENT)]
Index = Annotated[int, Field(strict=True, ge=0), BeforeValidator(_whole)]
TopN = Annotated[int, Field(strict=True, ge=1), BeforeValidator(_whole)]
Boolean = Annotated[bool, Field(strict=True)]
Flag = Annotated[Boolean, BeforeValidator(_flag), WithJsonSchema({"enum": [*FLAGS, True, False]})]


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
    """What each request for a ranking may hold, and the shape of its reply."""

    query: NonBlankText
    """The search query."""
    top_n: TopN | None = Field(default=None, validation_alias=AliasChoices("top_n", "top_k"))
    """The most results to return; all when left out."""
    instruction: NonBlankText | None = Field(
        default=None, validation_alias=AliasChoices("instruction", "instruct")
    )
    """The task in one English sentence; the server's own when left out."""
    score_threshold: (
        Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] | None
    ) = None
    """Leave out documents that score below this value."""
    raw_scores: Flag | None = None
    """Whether to return log-odds, as the model computes them, instead of values in [0, 1]."""
    max_tokens_per_doc: TopN | None = None
    """The most tokens of a document; the end of a longer one is cut."""

    if TYPE_CHECKING:

        @property
        def candidates(self) -> list[str]:
            """The texts to rank, in the retriever's order."""
            ...

    def reply(self, ranking: ServedRanking) -> Any:
        """The results in the shape that the senders of this body read."""
        raise NotImplementedError

    def shown(self, score: float | None) -> float | None:
        """A score as the client wants it."""
        return log_odds(score) if self.raw_scores and score is not None else score


class RerankBody(RankingBody):
    """A query and its candidates, as most clients send them."""

    api_version: ClassVar[str] = "1"
    candidates: Annotated[list[Document], *CANDIDATES] = Field(validation_alias="documents")
    """The candidates, in the retriever's order."""
    return_documents: Flag | None = None
    """Whether `results` repeat the documents' texts."""

    def document(self, index: int) -> Any:
        """A document as it is repeated."""
        return {"text": self.candidates[index]}

    def reply(self, ranking: ServedRanking) -> Any:
        """One shape that the clients of Cohere, Jina, Voyage, vLLM and SiliconFlow all parse.

        `document` is there on request only: some clients fail on null, some on a text and some
        on an object. A document without a score is left out.
        """
        scored = [
            {
                "index": index,
                "relevance_score": self.shown(score),
                **({"document": self.document(index)} if self.return_documents else {}),
            }
            for index, score in ranking.scored
        ]
        tokens = {"input_tokens": ranking.tokens, "output_tokens": 0}
        return {
            "id": ranking.id,
            "object": "rerank",
            "created": int(time.time()),
            "model": ranking.model,
            "results": scored,
            "data": scored,
            "usage": usage(ranking),
            "tokens": tokens,
            "meta": {
                "api_version": {"version": self.api_version},
                "billed_units": {"search_units": 0},
                "tokens": tokens,
            },
        }


class RerankV2Body(RerankBody):
    """The same for clients of Cohere's second API."""

    api_version: ClassVar[str] = "2"


class NativeBody(RerankBody):
    """The same, with this project's own shape added to the reply."""

    def reply(self, ranking: ServedRanking) -> Any:
        """See `RerankBody.reply`; `reranked_documents` has every document, scored or not."""
        native = {"reranked_documents": rows(ranking.results, self.candidates)}
        return native | super().reply(ranking)


class TextsBody(RankingBody):
    """The same in the form of Text Embeddings Inference."""

    candidates: Annotated[list[Text], *CANDIDATES] = Field(validation_alias="texts")
    """The candidates, in the retriever's order."""
    return_text: Flag | None = None
    """Whether the reply repeats the texts."""
    truncation_direction: Annotated[str, Field(pattern="^[Rr]ight$")] | None = None
    """Only "Right": the end of a long text is cut."""

    def reply(self, ranking: ServedRanking) -> Any:
        """A list, best first."""
        return [
            {
                "index": index,
                "score": self.shown(score),
                **({"text": self.candidates[index]} if self.return_text else {}),
            }
            for index, score in ranking.scored
        ]


def usage(ranking: ServedRanking) -> dict[str, int]:
    """The tokens of a ranking, in the words of OpenAI; a reranker writes none."""
    return {"prompt_tokens": ranking.tokens, "total_tokens": ranking.tokens}
