"""Scores from a rerank server."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, cast

from pydantic import SecretStr

from qwen_rerank.call import current_call
from qwen_rerank.errors import ConfigError, RemoteRejectedError, ScorerError
from qwen_rerank.prompt import DEFAULT_MODEL, QWEN3, PromptSpec
from qwen_rerank.scorers.remote.address import checked_base_url
from qwen_rerank.scorers.remote.batches import batches, joined, without_scores
from qwen_rerank.scorers.remote.deadline import LONGEST, Deadline
from qwen_rerank.scorers.remote.dialects import AUTO, DIALECTS, Template, checked_dialect
from qwen_rerank.scorers.remote.endpoint import Endpoint
from qwen_rerank.scorers.remote.endpoint_pool import EndpointPool
from qwen_rerank.scorers.remote.handshake import Checkup, Handshake
from qwen_rerank.scorers.remote.key import checked_key
from qwen_rerank.scorers.remote.request_pool import REQUESTS_PER_CALL, RequestPool
from qwen_rerank.scorers.remote.rerank_client import RerankClient
from qwen_rerank.scorers.remote.template import ClientTemplate
from qwen_rerank.types import BatchScorer, Outcome, RerankRequest, Scores


@dataclass(frozen=True)
class RemoteScorer(BatchScorer):
    """Any rerank server, or several that serve the same model.

    Makes no connection before the first documents come, may be used by any number of
    threads, and pickles and copies as its settings (a pickle holds the key).

    Args:
        base_url: Where the server is, such as `"http://localhost:8000"`, or several; with
            several, one that fails is replaced by another within the same call.
        model: The model's name, as the server knows it.
        api_key: Sent as `Authorization: Bearer ...`; appears in no message.
        dialect: One of `DIALECTS`, or `"auto"` to find it out from the server's replies.
        template: Who applies Qwen3's template: `"server"`, or `"client"` for a server that
            joins query and document as they come.
        timeout: Seconds for the whole call, retries and batches included. With several
            servers make it twice the slowest answer: half of it is kept for another one.
        max_retries: The most further attempts after the first, on any server.
        canary: Whether to check known answers at first, and after each outage.
        max_length: The longest prompt in tokens. The end of a longer document is cut; without
            the model's tokenizer, the tokens are estimated from the bytes.
        prompt: The prompt around query and document; used with `template="client"` only.
    """

    base_url: str | Sequence[str]
    model: str = DEFAULT_MODEL
    api_key: SecretStr | str | None = field(default=None, repr=False)
    dialect: str = AUTO
    template: Template = "server"
    timeout: float = 10.0
    max_retries: int = 2
    canary: bool = True
    max_length: int = 8192
    prompt: PromptSpec = QWEN3
    _pool: EndpointPool = field(init=False, repr=False, compare=False)
    _requests: RequestPool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        urls = [self.base_url] if isinstance(self.base_url, str) else list(self.base_url)
        if not urls:
            raise ConfigError("base_url must name at least one server")
        self._set("base_url", tuple(dict.fromkeys(map(checked_base_url, urls))))
        if self.api_key is not None:
            self._set("api_key", checked_key(self.api_key))
        if not 0 < self.timeout <= LONGEST or self.max_retries < 0:  # also refuses NaN
            raise ConfigError(
                f"timeout must be above 0 and at most {LONGEST:.0f} seconds, max_retries at least 0"
            )
        if (dialect := DIALECTS.get(checked_dialect(self.dialect))) is not None:
            dialect.check_template(self.template, f"dialect {self.dialect!r}")
        endpoints = [self._endpoint(url) for url in self.base_url]
        self._set("_pool", EndpointPool(endpoints, self.max_retries))
        self._set("_requests", RequestPool())

    def score_batch(self, requests: Sequence[RerankRequest]) -> list[Outcome]:
        """See `BatchScorer.score_batch`; several requests are under way at once.

        Each request has the whole `timeout`. That of the first ones, which are sent at once,
        counts from the start of the call, so that a call with few requests keeps to it.

        The error of a request is one of these:
        ScorerUnavailableError: No server answered in time; it may heal.
        RemoteRejectedError: A server refuses the request, or all of its documents.
        BadScoresError: The reply is not one score in [0, 1] or null per document, or the canary
        shows that the scores mean nothing.

        Raises:
            ConfigError: The server can't take an instruction, or not this template.
        """
        call = current_call()

        def outcome(item: tuple[int, RerankRequest]) -> Outcome:
            place, request = item
            started = call.started if place < REQUESTS_PER_CALL else time.monotonic()
            return self._outcome(request, Deadline(started + self.timeout).before(call.ends))

        return self._requests.map(outcome, list(enumerate(requests)))

    def check(self) -> list[Checkup]:
        """Check each server now: its dialect and what is wrong with its scores, if anything.

        Raises:
            ScorerError: A server does not answer, or not with scores.
        """
        return [e.handshake.check(Deadline.after(self.timeout)) for e in self._pool.endpoints]

    def fingerprint(self) -> str:
        """What the scores depend on: not the time limit, nor the retries."""
        settings = self.model, self.dialect, self.template, self.max_length, self.prompt
        return f"RemoteScorer {(sorted(self.base_url), *settings)!r}"

    def _outcome(self, request: RerankRequest, deadline: Deadline) -> Outcome:
        try:
            return self._scores(request, deadline) if request.documents else Scores()
        except ScorerError as error:
            return error

    def _scores(self, request: RerankRequest, deadline: Deadline) -> Scores:
        parts: list[Scores] = []
        for batch in batches(request, *self._pool.limits()):
            try:
                parts.append(self._pool.score(batch, deadline))
            except RemoteRejectedError as error:
                if not parts or not error.of_request:
                    raise
                parts.append(without_scores(batch, f"the server refuses the documents: {error}"))
        return joined(parts)

    def _endpoint(self, url: str) -> Endpoint:
        client = RerankClient(cast("SecretStr | None", self.api_key))
        return Endpoint(
            Handshake(
                url,
                self.model,
                self.dialect,
                self.template,
                ClientTemplate(self.prompt, self.model, self.max_length),
                self.canary,
                client,
            )
        )

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, f.name) for f in fields(self) if f.init)
