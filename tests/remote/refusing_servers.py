"""Servers that do not take one document of a request.

The replies are those of real servers; sources: issues of llama.cpp, vLLM, TEI and others.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from tests.remote.fault_server import Received
from tests.remote.servers import Reply, Server, own_answer, running

QUERY = "red wine"
LIMIT = 512
LONG = "wine " * 3000
"""Of about 3,000 tokens; the servers count one for each word."""
WORSE = "é" * 9000
"""Long, and refused however short it is."""

LLAMA_CPP = "input is too large to process. increase the physical batch size"
VLLM = (
    "This model's maximum context length is 512 tokens. However, you requested {given} tokens "
    "in the input for score generation. Please reduce the length of the input."
)
VLLM_NEW = (
    "This model's maximum context length is 512 tokens. However, you requested 0 output tokens "
    "and your prompt contains at least 513 input tokens, for a total of at least 513 tokens. "
    "Please reduce the length of the input prompt or the number of requested output tokens. "
    "(parameter=input_tokens, value=513)"
)
TEI = "Input validation error: `inputs` must have less than 512 tokens. Given: {given}"
TOO_LONG: dict[str, tuple[int, Callable[[int], Any]]] = {
    "llama.cpp": (500, lambda given: {"error": {"code": 500, "message": LLAMA_CPP}}),
    "llama.cpp, with numbers": (
        500,
        lambda given: {
            "error": {
                "code": 500,
                "message": f"input ({given} tokens) is too large to process. increase the "
                "physical batch size (current batch size: 512)",
            }
        },
    ),
    "llama.cpp, whole context": (
        400,
        lambda given: {
            "error": {
                "code": 400,
                "message": f"request ({given} tokens) exceeds the available context size (512 "
                "tokens), try increasing it",
                "type": "exceed_context_size_error",
            }
        },
    ),
    "vLLM": (400, lambda given: {"message": VLLM.format(given=given), "code": 400}),
    "vLLM, newer": (400, lambda given: {"error": {"message": VLLM_NEW, "code": 400}}),
    "TEI": (413, lambda given: {"error": TEI.format(given=given), "error_type": "Validation"}),
    "SGLang": (
        400,
        lambda given: {
            "message": f"The input ({given} tokens) is longer than the model's context length "
            "(512 tokens)."
        },
    ),
}
alone_and_in_a_fleet = pytest.mark.parametrize("servers", [1, 2])


def refusing_long(way: str) -> Callable[[Received], Reply]:
    """Refuses a request in which one document has too many tokens, as that server does."""
    status, body = TOO_LONG[way]

    def answer(received: Received) -> Reply:
        for text in received.documents:
            given = len((received.body["query"] + " " + text).split())
            if given > LIMIT or "é" in text:
                return status, body(max(given, LIMIT + 1))
        return own_answer(received)

    return answer


def refusing_blanks(received: Received) -> Reply:
    if all(text.strip() for text in received.documents):
        return own_answer(received)
    message = "text input should not be empty.: input.documents"
    return 400, {"code": "InvalidParameter", "message": message}


def null_for_blanks(received: Received) -> Reply:
    status, reply = own_answer(received)
    for item in reply["reranked_documents"]:
        item["score"] = item["score"] if received.documents[item["index"]].strip() else None
    return status, reply


def requests_to(servers: list[Server]) -> int:
    return sum(len(server.received) for server in servers)


def started(stack: ExitStack, answer: Callable[[Received], Reply], count: int) -> list[Server]:
    return [stack.enter_context(running(answer)) for _ in range(count)]
