"""The APIs of other servers whose bodies or replies have shapes of their own."""

from __future__ import annotations

import time
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from qwen_rerank import __version__
from qwen_rerank.log_odds import log_odds
from qwen_rerank.server.ranking import ServedRanking
from qwen_rerank.server.schemas import (
    CANDIDATES,
    NON_BLANK,
    Body,
    Document,
    RankingBody,
    RerankBody,
    Text,
    TextsBody,
    TopN,
    text_of,
    usage,
)
from qwen_rerank.server.settings import ServerSettings


class DocsBody(RankingBody):
    """LibreChat's RAG API, which reads texts and scores."""

    candidates: Annotated[list[Document], *CANDIDATES] = Field(validation_alias="docs")
    """The candidates, in the retriever's order."""
    top_n: TopN | None = Field(default=None, validation_alias=AliasChoices("k", "top_n"))
    """The most results to return; all when left out."""

    def reply(self, ranking: ServedRanking) -> Any:
        """A list, best first."""
        return [
            {"text": self.candidates[index], "score": self.shown(score)}
            for index, score in ranking.scored
        ]


class Candidate(Body):
    """One of LibreChat's candidates."""

    id: str | None = None
    text: Text


class CandidatesBody(RankingBody):
    """LibreChat's newer RAG API, whose candidates have ids."""

    given: Annotated[list[Candidate], *CANDIDATES] = Field(validation_alias="candidates")
    """The candidates, in the retriever's order."""

    @property
    def candidates(self) -> list[str]:
        """The texts to rank."""
        return [candidate.text for candidate in self.given]

    def reply(self, ranking: ServedRanking) -> Any:
        """The results with the ids of the request."""
        results = [
            {"id": self.given[index].id, "index": index, "score": self.shown(score)}
            for index, score in ranking.scored
        ]
        return {"model": ranking.model, "results": results, "usage": usage(ranking)}


class DashScopeBody(RerankBody):
    """DashScope, which has `input` with the texts, and `parameters`."""

    @model_validator(mode="before")
    @classmethod
    def _flatten(cls, content: Any) -> Any:
        given = content if isinstance(content, dict) else {}
        texts, parameters = given.get("input"), given.get("parameters")
        parameters = {} if parameters is None else parameters
        if not isinstance(texts, dict) or not isinstance(parameters, dict):
            raise PydanticCustomError("dashscope", "input and parameters must be objects")
        return {**parameters, **texts}

    def reply(self, ranking: ServedRanking) -> Any:
        """The results in `output`."""
        common = super().reply(ranking)
        return {
            "output": {"results": common["results"]},
            "usage": common["usage"],
            "request_id": ranking.id,
        }


_QUERY_OBJECT = {"type": "object", "properties": {"text": NON_BLANK}, "required": ["text"]}


class RankingsBody(RankingBody):
    """NVIDIA's retriever, whose scores are log-odds."""

    query: Annotated[
        Text, BeforeValidator(text_of), WithJsonSchema({"anyOf": [NON_BLANK, _QUERY_OBJECT]})
    ]
    """The search query, which may be an object with a text."""
    candidates: Annotated[list[Document], *CANDIDATES] = Field(validation_alias="passages")
    """The candidates, in the retriever's order."""

    def reply(self, ranking: ServedRanking) -> Any:
        """The results in `rankings`."""
        rankings = [{"index": index, "logit": log_odds(score)} for index, score in ranking.scored]
        return {"rankings": rankings, "usage": usage(ranking)}


class InfinityBody(RerankBody):
    """Infinity, whose results repeat a document as a text."""

    def document(self, index: int) -> Any:
        """A document as it is repeated."""
        return self.candidates[index]


def _one_text(query: Any) -> Any:
    if isinstance(query, list) and len(query) != 1:
        raise PydanticCustomError("score", "must be one text; send a request for each query")
    return query[0] if isinstance(query, list) else query


def _as_list(documents: Any) -> Any:
    return [documents] if isinstance(documents, str) else documents


_ONE_TEXT = {
    "anyOf": [NON_BLANK, {"type": "array", "items": NON_BLANK, "minItems": 1, "maxItems": 1}]
}
_ONE_OR_MORE_TEXTS = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
    ]
}


class ScoreBody(RankingBody):
    """vLLM's scores, in the order of the texts."""

    query: Annotated[Text, BeforeValidator(_one_text), WithJsonSchema(_ONE_TEXT)] = Field(
        validation_alias=AliasChoices("text_1", "queries", "data_1", "query")
    )
    """The search query."""
    candidates: Annotated[
        list[Text], *CANDIDATES, BeforeValidator(_as_list), WithJsonSchema(_ONE_OR_MORE_TEXTS)
    ] = Field(validation_alias=AliasChoices("text_2", "documents", "data_2"))
    """The texts to score."""
    top_n: None = None

    def reply(self, ranking: ServedRanking) -> Any:
        """The scores in `data`, in the order of the texts; null for a text without one."""
        in_order = sorted(ranking.results, key=lambda result: result.index)
        return {
            "id": ranking.id,
            "object": "list",
            "created": int(time.time()),
            "model": ranking.model,
            "data": [
                {"index": result.index, "object": "score", "score": self.shown(result.score)}
                for result in in_order
            ],
            "usage": usage(ranking),
        }


KEYS: dict[str, type[RankingBody]] = {
    "texts": TextsBody,
    "docs": DocsBody,
    "candidates": CandidatesBody,
    "input": DashScopeBody,
    "passages": RankingsBody,
}
"""The field by which a body on the rerank paths is recognised."""


def body_type(content: Any, usual: type[RerankBody]) -> type[RankingBody]:
    """The model for a body on a rerank path: clients send any shape to any of them."""
    if isinstance(content, dict) and "documents" not in content:
        return next((model for key, model in KEYS.items() if key in content), usual)
    return usual


def tei_info(settings: ServerSettings) -> dict[str, Any]:
    """The model and the limits in the form of Text Embeddings Inference."""
    return {
        "model_id": settings.model,
        "model_sha": None,
        "model_dtype": settings.dtype or "float32",
        "model_type": {"reranker": {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}},
        "max_concurrent_requests": settings.max_connections,
        "max_input_length": settings.max_length,
        "max_batch_tokens": settings.max_length,
        "max_batch_requests": None,
        "max_client_batch_size": settings.max_documents,
        "auto_truncate": True,
        "tokenization_workers": 1,
        "version": __version__,
    }


def model_card(settings: ServerSettings) -> dict[str, Any]:
    """The model as OpenAI's clients and Xinference's client read it."""
    return {
        "id": settings.model,
        "object": "model",
        "created": 0,
        "owned_by": "qwen-rerank",
        "model_name": settings.model,
        "model_type": "rerank",
        "max_tokens": settings.max_length,
    }
