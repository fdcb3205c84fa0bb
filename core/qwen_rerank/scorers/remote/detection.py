"""Finds out which kind of server answers, from the shape of a harmless reply."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from qwen_rerank.errors import BadScoresError, RemoteRejectedError
from qwen_rerank.scorers.remote.address import route
from qwen_rerank.scorers.remote.dialects import GENERIC, OWN, SGLANG, TEI, VOYAGE, Dialect
from qwen_rerank.scorers.remote.response import excerpt
from qwen_rerank.types import RerankRequest, Scores

Post = Callable[[str, dict[str, Any], Callable[[Any], Scores]], Scores]
"""`RerankClient.post` within a deadline; a rejection is raised."""

_NO_SUCH_ROUTE = (404, 405, 501)
_WRONG_FIELDS = (400, 422)
_NO_SUCH_MODEL = re.compile(r"model .*does not exist")
"""How vLLM says that it serves a model of another name; its status is 404."""
_BY_MISSING_FIELD = {"texts": TEI, "top_n": replace(GENERIC, sends_top_n=True)}
"""The dialect of servers that refuse the generic request because this field is missing."""


@dataclass(frozen=True, slots=True)
class Found:
    """A server's dialect with the route that answered, and its scores."""

    dialect: Dialect
    url: str
    scores: Scores


def detect(post: Post, base_url: str, model: str, request: RerankRequest) -> Found:
    """Post a harmless request in several ways; the reply's shape tells the dialect.

    Voyage, DashScope and DeepInfra on hosts of other names have to be named.

    Raises:
        RemoteRejectedError: The server has no rerank route, or refuses the request.
        ScorerError: As `RerankClient.post` raises.
    """
    refusals: list[RemoteRejectedError] = []
    for url in _urls(base_url):
        try:
            return _detect_at(url, post, model, request)
        except RemoteRejectedError as refusal:
            if refusal.status not in (*_NO_SUCH_ROUTE, *_WRONG_FIELDS):
                raise
            if _NO_SUCH_MODEL.search(str(refusal)):
                raise
            refusals.append(refusal)
    raise RemoteRejectedError(
        "no rerank route was found, name the server's with dialect=...: "
        + "; ".join(map(str, refusals)),
        status=refusals[0].status,
    )


def _urls(base_url: str) -> list[str]:
    """Where to post: a full URL as it is, else the usual routes first."""
    routes = [route(base_url, path, "") for path in ("/rerank", "/v1/rerank")]
    as_given = [base_url] if urlsplit(base_url).path else []
    return list(dict.fromkeys([*routes, *as_given]))


def _detect_at(url: str, post: Post, model: str, request: RerankRequest) -> Found:
    try:
        return _found(url, GENERIC, post, model, request)
    except RemoteRejectedError as refusal:
        if refusal.status not in _WRONG_FIELDS:
            raise
        wanted = [dialect for name, dialect in _BY_MISSING_FIELD.items() if name in str(refusal)]
        if not wanted:
            raise
    return _found(url, wanted[0], post, model, request)


def _found(url: str, dialect: Dialect, post: Post, model: str, request: RerankRequest) -> Found:
    """Posts in one dialect; a reply to the generic form may be that of another dialect."""
    seen = [dialect]

    def read(reply: Any) -> Scores:
        if dialect is not TEI:
            seen[0] = replace(_dialect_of(reply), sends_top_n=dialect.sends_top_n)
        return seen[0].read(reply, len(request.documents))

    scores = post(url, dialect.body(model, request), read)
    return Found(replace(seen[0], path=""), url, scores)


def _dialect_of(reply: Any) -> Dialect:
    if isinstance(reply, list):
        return SGLANG
    for name, dialect in (("reranked_documents", OWN), ("results", GENERIC), ("data", VOYAGE)):
        if isinstance(reply, dict) and name in reply:
            return dialect
    raise BadScoresError(f"wanted a rerank reply, got {excerpt(reply)}")
