"""Finds out which kind of server answers, from the shape of a harmless reply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from qwen_rerank.errors import BadScoresError, RemoteRejectedError
from qwen_rerank.scorers.remote.address import route
from qwen_rerank.scorers.remote.dialects import GENERIC, OWN, SGLANG, TEI, VOYAGE, Dialect
from qwen_rerank.scorers.remote.response import excerpt
from qwen_rerank.types import RerankRequest, Scores

Post = Callable[[str, dict[str, Any], Callable[[Any], Scores]], Scores]
"""`RerankClient.post` within a deadline; a rejection is raised."""

_NO_SUCH_ROUTE = (404, 405, 501)
_WRONG_FIELDS = (400, 422)


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
        RemoteRejectedError: It has no rerank route, or refuses to answer.
        ScorerError: As `RerankClient.post` raises.
    """
    refusals = []
    for url in dict.fromkeys(route(base_url, path, "") for path in ("/rerank", "/v1/rerank")):
        try:
            return _post_generic(post, url, model, request)
        except RemoteRejectedError as refusal:
            if refusal.status not in (*_NO_SUCH_ROUTE, *_WRONG_FIELDS):
                raise
            refusals.append(refusal)
    said = "; ".join(map(str, refusals))
    raise RemoteRejectedError(
        f"no rerank route was found, name the server's with dialect=...: {said}",
        status=refusals[0].status,
    )


def _post_generic(post: Post, url: str, model: str, request: RerankRequest) -> Found:
    seen: list[Dialect] = []

    def read(reply: Any) -> Scores:
        seen.append(_dialect_of(reply))
        return seen[0].read(reply, len(request.documents))

    try:
        scores = post(url, GENERIC.body(model, request), read)
    except RemoteRejectedError as refusal:
        if refusal.status not in _WRONG_FIELDS or "texts" not in str(refusal):
            raise
        scores = post(
            url, TEI.body(model, request), lambda reply: TEI.read(reply, len(request.documents))
        )
        seen.append(TEI)
    return Found(replace(seen[0], path=""), url, scores)


def _dialect_of(reply: Any) -> Dialect:
    if isinstance(reply, list):
        return SGLANG
    for name, dialect in (("reranked_documents", OWN), ("results", GENERIC), ("data", VOYAGE)):
        if isinstance(reply, dict) and name in reply:
            return dialect
    raise BadScoresError(f"wanted a rerank reply, got {excerpt(reply)}")
