"""The form that Cohere and Jina began: `results[].{index, relevance_score}`.

Sources: each server's code or documentation, versions of November 2026; see docs/remote.md.
`top_n` is sent only to servers that demand it: 0, null and absence mean different things to
different servers, and only a reply that holds every document can be checked.
"""

from __future__ import annotations

import json
from typing import Any

from qwen_rerank.scorers.remote.dialects.dialect import Dialect
from qwen_rerank.scorers.remote.dialects.images import content_parts, fields
from qwen_rerank.scorers.remote.response import reader
from qwen_rerank.types import RerankRequest


def build(model: str, request: RerankRequest, dialect: Dialect) -> dict[str, Any]:
    """The request's body."""
    return {
        "model": model,
        "query": request.query,
        "documents": dialect.documents(request),
        **dialect.instruction_field(request),
    }


def build_without_documents(model: str, request: RerankRequest, dialect: Dialect) -> dict[str, Any]:
    """The same for servers that send documents back unless told not to."""
    return {**build(model, request, dialect), "return_documents": False}


def build_for_xinference(model: str, request: RerankRequest, dialect: Dialect) -> dict[str, Any]:
    """The same for Xinference, which takes a model's options as one JSON text.

    Its vLLM engine knows no instruction and refuses one.
    """
    body = build_without_documents(model, request, dialect)
    options = {name: body.pop(name) for name in dialect.instruction_field(request)}
    return {**body, "kwargs": json.dumps(options)} if options else body


read = reader("results")

GENERIC = Dialect("generic", "/v1/rerank", build, read, "instruction", clients_template=True)

COMMON = [
    GENERIC,
    Dialect("cohere", "/v2/rerank", build, read, max_documents=1000, takes_blanks=False),
    Dialect(
        "jina", "/v1/rerank", build_without_documents, read, takes_blanks=False, image_form=fields
    ),
    Dialect(
        "vllm",
        "/v1/rerank",
        build,
        read,
        "instruction",
        clients_template=True,
        image_form=content_parts,
    ),
    Dialect("llamacpp", "/v1/rerank", build, read),
    Dialect("litellm", "/v1/rerank", build_without_documents, read, "instruction"),
    # strips its strings, the template's last line breaks too: the client can't apply it
    Dialect("infinity", "/rerank", build_without_documents, read, None, 2048, takes_blanks=False),
    Dialect("xinference", "/v1/rerank", build_for_xinference, read, "instruction"),
    Dialect(
        "siliconflow",
        "/v1/rerank",
        build_without_documents,
        read,
        "instruction",
        takes_blanks=False,
    ),
    Dialect(
        "dashscope-compatible",
        "/compatible-api/v1/reranks",
        build,
        read,
        "instruct",
        500,
        takes_blanks=False,
    ),
]
