"""What existing programs send, and the fields that they read of the reply.

The clients that can be installed here are tried for real in `test_clients.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from qwen_rerank.testing import FakeScorer
from tests.server.running import Running, serving
from tests.server.test_bad_input import said

QUERY = "a b c d"
TEXTS = ["a", "a b c d", "x", "a b"]
SCORES = {0: 0.25, 1: 1.0, 2: 0.0, 3: 0.5}
OBJECTS = [{"text": text} for text in TEXTS]
KEY = "horse"
COMMON = {"model": "m", "query": QUERY, "documents": TEXTS}

Read = Callable[[Any], dict[int, float]]


def results(reply: Any, name: str = "results") -> dict[int, float]:
    return {row["index"]: row["relevance_score"] for row in reply[name]}


def data(reply: Any) -> dict[int, float]:
    assert isinstance(reply["usage"]["total_tokens"], int)
    return results(reply, "data")


def infinity(reply: Any) -> dict[int, float]:
    """Its client wants a model, the tokens, and documents as texts."""
    assert reply["object"] == "rerank"
    assert isinstance(reply["model"], str)
    assert isinstance(reply["usage"]["prompt_tokens"], int)
    assert [row["document"] for row in reply["results"]] == [
        TEXTS[row["index"]] for row in reply["results"]
    ]
    return results(reply)


def with_objects(reply: Any) -> dict[int, float]:
    assert [row["document"]["text"] for row in reply["results"]] == [
        TEXTS[row["index"]] for row in reply["results"]
    ]
    return results(reply)


def ragflow_siliconflow(reply: Any) -> dict[int, float]:
    tokens = reply["meta"]["tokens"]
    assert tokens["input_tokens"] + tokens["output_tokens"] >= 0
    return results(reply)


def ragflow_xinference(reply: Any) -> dict[int, float]:
    assert reply["tokens"]["input_tokens"] + reply["tokens"]["output_tokens"] >= 0
    return results(reply)


def dashscope(reply: Any) -> dict[int, float]:
    assert reply["request_id"]
    assert isinstance(reply["usage"]["total_tokens"], int)
    return results(reply["output"])


def tei(reply: Any) -> dict[int, float]:
    return {row["index"]: row["score"] for row in reply}


def tei_raw(reply: Any) -> dict[int, float]:
    return {row["index"]: 1 / (1 + math.exp(-row["score"])) for row in reply}


def nvidia(reply: Any) -> dict[int, float]:
    return {row["index"]: 1 / (1 + math.exp(-row["logit"])) for row in reply["rankings"]}


def librechat(reply: Any) -> dict[int, float]:
    return {TEXTS.index(row["text"]): row["score"] for row in reply}


def vllm_score(reply: Any) -> dict[int, float]:
    assert [row["index"] for row in reply["data"]] == [0, 1, 2, 3], "in the order of the texts"
    return {row["index"]: row["score"] for row in reply["data"]}


@dataclass(frozen=True)
class Client:
    """A program, the path that it calls, what it sends, and how it reads the reply."""

    name: str
    path: str
    body: dict[str, Any]
    read: Read = results
    key: str = "bearer"


DASHSCOPE = "/api/v1/services/rerank/text-rerank/text-rerank"
ALI = {"model": "m", "input": {"query": QUERY, "documents": TEXTS}}
TEI = {"query": QUERY, "texts": TEXTS}
CLIENTS = [
    Client("Dify", "/v1/rerank", COMMON | {"top_n": 4, "return_documents": True}, with_objects),
    Client("FastGPT", "/v1/rerank", COMMON),
    Client("Open WebUI", "/v1/rerank", COMMON | {"top_n": 4}),
    Client("RAGFlow Jina", "/v1/rerank", COMMON | {"top_n": 4}),
    Client(
        "RAGFlow SiliconFlow",
        "/v1/rerank",
        COMMON
        | {"top_n": 4, "return_documents": False, "max_chunks_per_doc": 1024, "overlap_tokens": 80},
        ragflow_siliconflow,
    ),
    Client(
        "RAGFlow Xinference",
        "/v1/rerank",
        COMMON | {"return_documents": "true", "return_len": "true"},
        ragflow_xinference,
    ),
    Client(
        "RAGFlow NVIDIA",
        "/v1/ranking",
        {
            "model": "m",
            "query": {"text": QUERY},
            "passages": OBJECTS,
            "truncate": "END",
            "top_n": 4,
        },
        nvidia,
    ),
    Client("LightRAG cohere", "/v2/rerank", COMMON),
    Client("LightRAG jina", "/v1/rerank", COMMON | {"return_documents": False}),
    Client("LightRAG ali", DASHSCOPE, ALI | {"parameters": {"return_documents": False}}, dashscope),
    Client("LightRAG ali on /rerank", "/rerank", ALI | {"parameters": {}}, dashscope),
    Client("DashScope", DASHSCOPE, ALI | {"parameters": {"top_n": 4, "instruct": "i"}}, dashscope),
    Client("Cherry Studio", "/v1/rerank", COMMON | {"top_n": 4}),
    Client("Cherry Studio TEI", "/v1/rerank", TEI | {"return_text": True}, tei),
    Client(
        "Continue TEI",
        "/rerank",
        TEI | {"return_text": False, "raw_scores": False, "truncation_direction": "Right"},
        tei,
    ),
    Client("TEI raw scores", "/rerank", TEI | {"raw_scores": True}, tei_raw),
    Client("LibreChat RAG API", "/rerank", {"query": QUERY, "docs": TEXTS, "k": 4}, librechat),
    Client(
        "Haystack and LangChain Cohere",
        "/v2/rerank",
        COMMON | {"top_n": 4, "max_tokens_per_doc": 4096},
    ),
    Client("LangChain JS Cohere", "/v1/rerank", COMMON | {"documents": OBJECTS, "top_n": 4}),
    Client("Voyage", "/v1/rerank", COMMON | {"top_k": 4, "truncation": True}, data),
    Client("LiteLLM cohere", "/v2/rerank", COMMON | {"return_documents": True}, with_objects),
    Client("LiteLLM hosted_vllm", "/rerank", COMMON | {"return_documents": True}, with_objects),
    Client("LiteLLM infinity", "/infinity/rerank", COMMON | {"return_documents": True}, infinity),
    Client(
        "LiteLLM huggingface",
        "/rerank",
        TEI | {"raw_scores": False, "truncate": False, "top_n": 4, "return_text": True},
        tei,
    ),
    Client(
        "Xinference",
        "/v1/rerank",
        COMMON
        | {
            "top_n": None,
            "max_chunks_per_doc": None,
            "return_documents": None,
            "return_len": None,
            "kwargs": "{}",
        },
    ),
    Client("vLLM score", "/score", {"model": "m", "text_1": QUERY, "text_2": TEXTS}, vllm_score),
    Client(
        "vLLM score, new names", "/v1/score", {"queries": [QUERY], "documents": TEXTS}, vllm_score
    ),
    Client("Azure", "/v1/rerank", COMMON, key="api-key"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving(scorer=FakeScorer(), server_api_key=KEY) as running:
        yield running


@pytest.fixture(scope="module")
def open_server() -> Iterator[Running]:
    with serving(scorer=FakeScorer()) as running:
        yield running


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_each_client_finds_what_it_reads(server: Running, client: Client) -> None:
    bearer = {"Authorization": f"Bearer {KEY}"}
    headers = bearer if client.key == "bearer" else {"api-key": KEY}
    reply = server.post(client.body, client.path, headers=headers)
    assert reply.status_code == 200, reply.text
    assert client.read(reply.json()) == pytest.approx(SCORES)
    assert reply.headers["X-Rerank-Id"]
    said(server.post(client.body, client.path), 401)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_the_best_comes_first_or_the_order_stays(server: Running, client: Client) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    scores = client.read(server.post(client.body, client.path, headers=headers).json())
    best_first = [1, 3, 0, 2]
    assert list(scores) in (best_first, [0, 1, 2, 3] if client.read is vllm_score else best_first)


def test_clients_that_look_before_they_send(server: Running) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}

    def get(path: str) -> Any:
        reply = requests.get(server.url + path, headers=headers, timeout=30)
        assert reply.status_code == 200, reply.text
        return reply.json()

    info = get("/info")
    assert "reranker" in info["model_type"]
    assert info["max_client_batch_size"] == 10_000
    assert info["model_id"] == get("/v1/models")["data"][0]["id"]
    for name in ("m", "Qwen/Qwen3-Reranker-0.6B", "Qwen%2FQwen3-Reranker-0.6B"):
        assert get(f"/v1/models/{name}")["model_type"] == "rerank"
    assert get("/v1/cluster/auth") == {"auth": True}
    for path in ("/info", "/v1/models", "/v1/models/m"):
        said(requests.get(server.url + path, timeout=30), 401)
    assert requests.get(server.url + "/v1/cluster/auth", timeout=30).json() == {"auth": True}


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "top_n 0": ("/v1/rerank", COMMON | {"top_n": 0}, "top_n"),
    "top_k 0": ("/v1/rerank", COMMON | {"top_k": 0}, "top_k"),
    "k 0": ("/rerank", {"query": QUERY, "docs": TEXTS, "k": 0}, "k"),
    "the start cut": ("/rerank", TEI | {"truncation_direction": "Left"}, "truncation_direction"),
    "two queries": ("/score", {"text_1": ["a", "b"], "text_2": TEXTS}, "text_1"),
    "top_n of scores": ("/score", {"text_1": "a", "text_2": TEXTS, "top_n": 1}, "top_n"),
    "input a text": (DASHSCOPE, {"input": "a"}, "input"),
    "no passages": ("/v1/ranking", {"query": {"text": "a"}}, "passages"),
    "a bad passage": ("/v1/ranking", {"query": {"text": "a"}, "passages": [1]}, "passages[0]"),
    "a bad doc": ("/rerank", {"query": "a", "docs": [1, 2]}, "docs[0]"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_can_not_be_done_is_refused_by_name(open_server: Running, name: str) -> None:
    path, body, field = WRONG[name]
    assert field in said(open_server.post(body, path), 422)


@pytest.mark.parametrize("key", ["texts", "docs", "passages", "documents"])
def test_every_list_has_the_limit_on_its_length(open_server: Running, key: str) -> None:
    path = "/v1/ranking" if key == "passages" else "/v1/rerank"
    body = {"query": {"text": "q"} if key == "passages" else "q", key: [1] * 10_001}
    assert "10001" in said(open_server.post(body, path), 413)
