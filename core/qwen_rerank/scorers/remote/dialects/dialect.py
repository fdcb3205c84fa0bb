"""What there is to know about one kind of rerank server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from qwen_rerank.errors import ConfigError
from qwen_rerank.image import ImageDocument
from qwen_rerank.types import RerankRequest, Scores

Template = Literal["server", "client"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a kind of server is asked and how its reply is read. Pure: does no I/O."""

    name: str
    path: str
    """Of the route, from the server's root; may name `{model}`."""
    build: Callable[[str, RerankRequest, Dialect], dict[str, Any]]
    """The JSON body, from the model's name and the request."""
    read: Callable[[Any, int], Scores]
    """Scores in the documents' order from the reply's JSON and the number of documents;
    raises BadScoresError."""
    instruction: str | None = None
    """The field that takes an instruction; `None` if the server has none."""
    max_documents: int | None = None
    """The server's limit per request; `None` if it has none that is known."""
    takes_blanks: bool = True
    """Whether a blank document is allowed; where not, it is not sent and has no score."""
    clients_template: bool = False
    """Whether a server of this kind can be left without a template of its own, so that
    the client may apply it."""
    image_form: Callable[[str], Any] | None = None
    """How a document is sent beside an image, see `images.py`; `None` if no image is taken."""

    sends_top_n: bool = False
    """Whether the server demands `top_n`; it gets the number of documents."""

    def check_template(self, template: Template, server: str) -> None:
        """Raise ConfigError if the client is to apply a template that such a server would spoil."""
        if template == "client" and not self.clients_template:
            raise ConfigError(
                f'template="client" does not suit {server}: a server of the kind {self.name!r} '
                "applies its own template, or alters the client's"
            )

    def body(self, model: str, request: RerankRequest) -> dict[str, Any]:
        """The JSON body that asks for the scores of all documents, without their texts."""
        body = self.build(model, request, self)
        return {**body, "top_n": len(request.documents)} if self.sends_top_n else body

    def documents(self, request: RerankRequest) -> list[Any]:
        """The documents of the body: texts, or what the server takes where one is an image."""
        seen = any(isinstance(document, ImageDocument) for document in request.documents)
        if self.image_form is None or not seen:
            return list(request.documents)
        return [self.image_form(document) for document in request.documents]

    def instruction_field(self, request: RerankRequest) -> dict[str, Any]:
        """The instruction under its name, if there is one."""
        if self.instruction is None or request.instruction is None:
            return {}
        return {self.instruction: request.instruction}
