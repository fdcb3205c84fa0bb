"""Checks a server before it gets a caller's documents: its dialect, and its known answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from qwen_rerank.errors import BadScoresError, RemoteRejectedError
from qwen_rerank.scorers.remote import canary
from qwen_rerank.scorers.remote.address import known_dialect, route
from qwen_rerank.scorers.remote.deadline import Deadline
from qwen_rerank.scorers.remote.detection import Found, detect
from qwen_rerank.scorers.remote.dialects import AUTO, DIALECTS, OWN, TEI, Dialect, Template
from qwen_rerank.scorers.remote.rejection import Rejection
from qwen_rerank.scorers.remote.rerank_client import Read, RerankClient
from qwen_rerank.scorers.remote.template import ClientTemplate
from qwen_rerank.types import RerankRequest, Scores


class CanaryError(BadScoresError):
    """A server's scores have the right form, but mean nothing."""


@dataclass(frozen=True, slots=True)
class Checkup:
    """What a check of a server found."""

    base_url: str
    dialect: str
    scores: Sequence[float | None]
    """Of `canary.DOCUMENTS`."""
    problem: str | None
    """The likely cause and the remedy; `None` if the scores are right."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """What is known of a server from the settings, and how the rest is found out."""

    base_url: str
    model: str
    dialect: str
    template: Template
    wrap: ClientTemplate
    canary: bool
    client: RerankClient = field(repr=False)

    @property
    def wraps(self) -> bool:
        """Whether this side writes the prompt, which holds texts only."""
        return self.template == "client"

    def run(self, deadline: Deadline) -> tuple[Dialect, str]:
        """The server's dialect and route.

        Raises:
            RemoteRejectedError: It refuses a harmless request, and so any other.
            ScorerError: As `RerankClient.post` raises, or the canary failed.
            ConfigError: The server can't do what the settings want.
        """
        dialect = self.named_dialect()
        if dialect is not None and not self.canary:
            return dialect, route(self.base_url, dialect.path, self.model)
        try:
            found = self._find(deadline)
        except RemoteRejectedError as error:  # no caller's request is at fault
            message = f"{self.base_url} refuses a harmless request: {error}"
            raise RemoteRejectedError(message, status=error.status) from error
        problem = self._problem(found) if self.canary else None
        if problem is not None:
            raise CanaryError(f"{self.base_url} fails the canary: {problem}")
        return found.dialect, found.url

    def check(self, deadline: Deadline) -> Checkup:
        """The server's dialect, its scores for known answers, and what is wrong with them.

        Raises:
            ScorerError: As `RerankClient.post` raises.
            ConfigError: The server can't do what the settings want.
        """
        found = self._find(deadline)
        scores = [document.score for document in found.scores.documents]
        return Checkup(self.base_url, found.dialect.name, scores, self._problem(found))

    def named_dialect(self) -> Dialect | None:
        """The dialect that the settings or the host's name tell."""
        return DIALECTS[self.dialect] if self.dialect != AUTO else known_dialect(self.base_url)

    def post(
        self, dialect: Dialect, url: str, deadline: Deadline, request: RerankRequest
    ) -> Scores | Rejection:
        """Send one request in the server's dialect; raises as `RerankClient.post`."""
        wrapped, cut = self._wrapped(request)
        count = len(request.documents)
        scores = self.client.post(
            url,
            dialect.body(self.model, wrapped),
            lambda reply: dialect.read(reply, count),
            deadline,
        )
        return scores if isinstance(scores, Rejection) else _marked(scores, cut)

    def _find(self, deadline: Deadline) -> Found:
        dialect, request = self.named_dialect(), canary.request()
        if dialect is None:
            post = partial(self._post_or_raise, deadline)
            found = detect(post, self.base_url, self.model, self._wrapped(request)[0])
        else:
            url = route(self.base_url, dialect.path, self.model)
            found = Found(dialect, url, _scores_of(self.post(dialect, url, deadline, request)))
        found.dialect.check_template(self.template, self.base_url)
        return found

    def _problem(self, found: Found) -> str | None:
        """Our own server names its model itself, and TEI serves no Qwen3 reranker."""
        others = found.dialect.name in (OWN.name, TEI.name)
        qwen3 = "qwen3-reranker" in self.model.lower() and not others
        scores = [document.score or 0.0 for document in found.scores.documents]
        return canary.verdict(scores, qwen3=qwen3)

    def _wrapped(self, request: RerankRequest) -> tuple[RerankRequest, frozenset[int]]:
        """The request in the client's template, if the server has none; which documents it cut."""
        return self.wrap(request) if self.wraps else (request, frozenset())

    def _post_or_raise(
        self, deadline: Deadline, url: str, body: dict[str, Any], read: Read
    ) -> Scores:
        return _scores_of(self.client.post(url, body, read, deadline))


def _scores_of(outcome: Scores | Rejection) -> Scores:
    if isinstance(outcome, Rejection):
        raise outcome.error
    return outcome


def _marked(scores: Scores, cut: frozenset[int]) -> Scores:
    """The scores, with `truncated` for the documents in these places."""
    documents = (
        replace(document, truncated=document.truncated or place in cut)
        for place, document in enumerate(scores.documents)
    )
    return replace(scores, documents=tuple(documents))
