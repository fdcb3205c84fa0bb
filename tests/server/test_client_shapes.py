"""What existing programs send, and the fields that they read of the reply.

Each body and each reader follows the program's source, as it was in November 2026; the file is
named with it. The clients that can be installed here are tried for real in `test_clients.py`.
AnythingLLM has no entry: its reranker runs inside it, and no setting names a server.
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
    assert reply["usage"]["total_tokens"] > 0
    return results(reply, "data")


def with_usage(reply: Any) -> dict[int, float]:
    assert reply["usage"]["total_tokens"] > 0
    return results(reply)


def infinity(reply: Any) -> dict[int, float]:
    """LiteLLM makes numbers of the whole usage, and a text of each document."""
    assert all(isinstance(number, int) for number in reply["usage"].values())
    assert reply["usage"]["total_tokens"] >= reply["usage"]["prompt_tokens"] > 0
    assert texts_of(reply, lambda document: document)
    return results(reply)


def with_objects(reply: Any) -> dict[int, float]:
    assert texts_of(reply, lambda document: document["text"])
    return with_usage(reply)


def texts_of(reply: Any, text: Callable[[Any], str]) -> bool:
    """Whether each result repeats the text of its document."""
    return all(text(row["document"]) == TEXTS[row["index"]] for row in reply["results"])


def ragflow_siliconflow(reply: Any) -> dict[int, float]:
    tokens = reply["meta"]["tokens"]
    assert tokens["input_tokens"] + tokens["output_tokens"] > 0
    return results(reply)


def ragflow_xinference(reply: Any) -> dict[int, float]:
    """Since 2025 it counts the tokens itself."""
    assert reply["tokens"]["input_tokens"] + reply["tokens"]["output_tokens"] > 0
    return results(reply)


def cohere_js(reply: Any) -> dict[int, float]:
    assert isinstance(reply["meta"]["api_version"]["version"], str)
    return results(reply)


def dashscope(reply: Any) -> dict[int, float]:
    assert reply["request_id"]
    assert reply["usage"]["total_tokens"] > 0
    return results(reply["output"])


def tei(reply: Any) -> dict[int, float]:
    return {row["index"]: row["score"] for row in reply}


def tei_raw(reply: Any) -> dict[int, float]:
    return {row["index"]: 1 / (1 + math.exp(-row["score"])) for row in reply}


def nvidia(reply: Any) -> dict[int, float]:
    return {row["index"]: 1 / (1 + math.exp(-row["logit"])) for row in reply["rankings"]}


def librechat(reply: Any) -> dict[int, float]:
    return {TEXTS.index(row["text"]): row["score"] for row in reply}


def librechat_candidates(reply: Any) -> dict[int, float]:
    assert all(row["id"] == str(row["index"]) for row in reply["results"])
    return {row["index"]: row["score"] for row in reply["results"]}


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
WITH_TOP_N = COMMON | {"top_n": 4}
RETURNING = WITH_TOP_N | {"return_documents": True}
PASSAGES = {"model": "m", "query": {"text": QUERY}, "passages": OBJECTS}
CANDIDATES = [{"id": str(place), "text": text, "base_score": 0} for place, text in enumerate(TEXTS)]

CLIENTS = [
    # from langgenius/dify-official-plugins, models/openai_api_compatible/models/rerank/rerank.py
    Client("Dify", "/v1/rerank", RETURNING, with_objects),
    Client("Dify threshold", "/v1/rerank", RETURNING | {"score_threshold": 0.0}, with_objects),
    # from labring/FastGPT, packages/service/core/ai/rerank/index.ts
    Client("FastGPT", "/v1/rerank", COMMON),
    # from open-webui/open-webui, backend/open_webui/retrieval/models/external.py
    Client("Open WebUI", "/v1/rerank", WITH_TOP_N),
    # from infiniflow/ragflow, rag/llm/rerank_model.py
    Client("RAGFlow Jina", "/v1/rerank", WITH_TOP_N, with_usage),
    Client("RAGFlow OpenAI-API-Compatible, LocalAI", "/rerank", WITH_TOP_N),
    Client("RAGFlow GPUStack", "/v1/rerank", WITH_TOP_N),
    Client(
        "RAGFlow SiliconFlow",
        "/v1/rerank",
        WITH_TOP_N | {"return_documents": False, "max_chunks_per_doc": 1024, "overlap_tokens": 80},
        ragflow_siliconflow,
    ),
    Client(
        "RAGFlow Xinference",
        "/v1/rerank",
        COMMON | {"return_documents": "true", "return_len": "true"},
        ragflow_xinference,
    ),
    Client("RAGFlow HuggingFace", "/rerank", TEI | {"raw_scores": False, "truncate": True}, tei),
    Client("RAGFlow NVIDIA", "/v1/reranking", PASSAGES | {"truncate": "END", "top_n": 4}, nvidia),
    # from langchain-ai/langchain-nvidia, libs/ai-endpoints/.../reranking.py, _common.py;
    # run-llama/llama_index, .../llama-index-postprocessor-nvidia-rerank/.../base.py
    Client("NVIDIA in LangChain and LlamaIndex", "/v1/ranking", PASSAGES, nvidia),
    # from HKUDS/LightRAG, lightrag/rerank.py
    Client("LightRAG cohere", "/v2/rerank", WITH_TOP_N),
    Client("LightRAG jina", "/v1/rerank", WITH_TOP_N | {"return_documents": False}),
    Client(
        "LightRAG ali",
        DASHSCOPE,
        ALI | {"parameters": {"top_n": 4, "return_documents": False}},
        dashscope,
    ),
    Client("LightRAG ali on /rerank", "/rerank", ALI | {"parameters": {}}, dashscope),
    # from dashscope, rerank/text_rerank.py
    Client("DashScope", DASHSCOPE, ALI | {"parameters": {"top_n": 4, "instruct": "i"}}, dashscope),
    # from CherryHQ/cherry-studio, packages/ai-sdk-provider/src/, and earlier
    # src/main/knowledge/reranker/BaseReranker.ts
    Client("Cherry Studio", "/v1/rerank", WITH_TOP_N),
    Client("Cherry Studio TEI", "/v1/rerank", TEI | {"return_text": True}, tei),
    Client("Cherry Studio Voyage", "/v1/rerank", COMMON | {"top_k": 4}, data),
    # from continuedev/continue, core/llm/llms/HuggingFaceTEI.ts, Cohere.ts
    Client(
        "Continue huggingface-tei",
        "/rerank",
        TEI
        | {
            "return_text": False,
            "raw_scores": False,
            "truncation_direction": "Right",
            "truncate": True,
        },
        tei,
    ),
    Client("Continue cohere", "/v1/rerank", COMMON),
    # from FlowiseAI/Flowise, packages/components/nodes/retrievers/*Rerank*/*Rerank.ts
    Client(
        "Flowise Cohere",
        "/v1/rerank",
        COMMON | {"topN": 4, "max_chunks_per_doc": 10, "return_documents": False},
    ),
    Client(
        "Flowise Azure",
        "/v1/rerank",
        WITH_TOP_N | {"max_chunks_per_doc": 10, "return_documents": False},
        key="api-key",
    ),
    # from danny-avila/agents, src/tools/search/rerankers.ts
    Client("LibreChat simple", "/rerank", {"query": QUERY, "docs": TEXTS, "k": 4}, librechat),
    Client(
        "LibreChat rag-api",
        "/v1/rerank",
        {"profile": "fast-v1", "query": QUERY, "candidates": CANDIDATES, "top_n": 4},
        librechat_candidates,
    ),
    Client("LibreChat jina", "/v1/rerank", RETURNING, with_objects),
    # from cohere_haystack, components/rankers/cohere/ranker.py; langchain_cohere: rerank.py
    Client(
        "Haystack and LangChain Cohere", "/v2/rerank", WITH_TOP_N | {"max_tokens_per_doc": 4096}
    ),
    # from langchain-ai/langchainjs, libs/langchain-cohere/src/rerank.ts, with npm's cohere-ai
    Client("LangChain JS Cohere", "/v1/rerank", WITH_TOP_N | {"max_chunks_per_doc": 10}, cohere_js),
    # from voyage-ai/voyageai-python, voyageai/client.py, voyageai/object/reranking.py
    Client("Voyage", "/v1/rerank", COMMON | {"top_k": None, "truncation": True}, data),
    # from litellm, llms/*/rerank/transformation.py
    Client("LiteLLM cohere", "/v2/rerank", COMMON | {"return_documents": True}, with_objects),
    Client("LiteLLM vllm", "/rerank", RETURNING | {"max_tokens_per_doc": 4096}, with_objects),
    Client("LiteLLM infinity", "/infinity/rerank", COMMON | {"return_documents": True}, infinity),
    Client("LiteLLM jina_ai", "/v1/rerank", RETURNING, with_objects),
    Client(
        "LiteLLM huggingface",
        "/rerank",
        TEI
        | {
            "raw_scores": False,
            "truncate": False,
            "truncation_direction": "Right",
            "top_n": 4,
            "return_text": True,
        },
        tei,
    ),
    # from xinference_client, client/restful/restful_client.py; langchain_xinference: reranks.py
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
    Client("clients of llama.cpp", "/reranking", WITH_TOP_N),
    Client("TEI raw scores", "/rerank", TEI | {"raw_scores": True}, tei_raw),
    Client("vLLM score", "/score", {"model": "m", "text_1": QUERY, "text_2": TEXTS}, vllm_score),
    Client(
        "vLLM score, new names", "/v1/score", {"queries": [QUERY], "documents": TEXTS}, vllm_score
    ),
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
    [listed] = get("/v1/models")["data"]
    assert info["model_id"] == listed["id"]
    assert listed.get("root") in {None, listed["id"]}, "LangChain's NVIDIARerank chooses by it"
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
    "a bad candidate": ("/v1/rerank", {"query": "a", "candidates": [{"id": "0"}]}, "candidates[0]"),
    "max_tokens_per_doc 0": (
        "/v2/rerank",
        COMMON | {"max_tokens_per_doc": 0},
        "max_tokens_per_doc",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_can_not_be_done_is_refused_by_name(open_server: Running, name: str) -> None:
    path, body, field = WRONG[name]
    assert field in said(open_server.post(body, path), 422)


@pytest.mark.parametrize("key", ["texts", "docs", "passages", "candidates", "documents"])
def test_every_list_has_the_limit_on_its_length(open_server: Running, key: str) -> None:
    body = {"query": "q", key: [1] * 10_001}
    assert "10001" in said(open_server.post(body, "/v1/rerank"), 413)
