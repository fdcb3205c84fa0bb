"""Each route's reply, in the shape that its clients parse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from qwen_rerank import LocalScorer
from qwen_rerank.prompt import QWEN3
from qwen_rerank.splitting import token_counter
from qwen_rerank.testing import FakeScorer
from tests.server.running import Running, serving

QUERY = "客户投诉响应超时的SOP处理流程"
DOCUMENTS = ["投诉响应超时处理SOP", "Gravity is a force.", "", "a\x00b", "投诉响应超时处理SOP"]


@pytest.fixture(scope="module")
def truth(tiny_model: Path) -> list[float]:
    return LocalScorer(str(tiny_model), device="cpu").score(QUERY, DOCUMENTS)


def in_order(rows: list[dict[str, Any]], name: str) -> list[float]:
    """Scores by index; checks that the rows are sorted and whole."""
    assert [row[name] for row in rows] == sorted((row[name] for row in rows), reverse=True)
    assert sorted(row["index"] for row in rows) == list(range(len(DOCUMENTS)))
    return [row[name] for row in sorted(rows, key=lambda row: row["index"])]


def test_own_shape_holds_index_score_rank_and_document(server: Running, truth: list[float]) -> None:
    rows = server.post({"query": QUERY, "documents": DOCUMENTS}).json()["reranked_documents"]
    assert in_order(rows, "score") == pytest.approx(truth, abs=1e-6)
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["document"] for row in rows] == [DOCUMENTS[row["index"]] for row in rows]
    equal = [row["index"] for row in rows if row["document"] == DOCUMENTS[0]]
    assert equal == [0, 4], "equal scores stay in the caller's order"


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
def test_common_shape(server: Running, truth: list[float], path: str) -> None:
    body = {"query": QUERY, "documents": DOCUMENTS, "model": "any", "top_n": None, "kwargs": "{}"}
    reply = server.post(body, path).json()
    assert in_order(reply["results"], "relevance_score") == pytest.approx(truth, abs=1e-6)
    assert all(set(row) == {"index", "relevance_score"} for row in reply["results"])
    assert reply["data"] == reply["results"]
    assert reply["object"] == "rerank"
    tokens = prompt_tokens(server, QUERY, DOCUMENTS)
    assert reply["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    assert (
        reply["tokens"] == reply["meta"]["tokens"] == {"input_tokens": tokens, "output_tokens": 0}
    )


def prompt_tokens(server: Running, query: str, documents: list[str]) -> int:
    """Of the whole prompt of each distinct document, as the model's tokenizer counts them."""
    count = token_counter(server.service.settings.model)
    return sum(count(QWEN3.text(query, document)) for document in set(documents))


@pytest.mark.parametrize("path", ["/v1/rerank", "/score", "/v1/ranking"])
def test_usage_counts_what_is_not_returned_and_what_is_cut(server: Running, path: str) -> None:
    """The tiny model reads 4,096 tokens."""
    long = "word " * 6000
    bodies = {
        "/v1/rerank": {"query": "q", "documents": ["short", long], "top_n": 1},
        "/score": {"text_1": "q", "text_2": ["short", long]},
        "/v1/ranking": {"query": "q", "passages": [{"text": "short"}, {"text": long}], "top_n": 1},
    }
    usage = server.post(bodies[path], path).json()["usage"]
    assert usage["total_tokens"] == prompt_tokens(server, "q", ["short"]) + 4096


def test_usage_counts_remembered_documents_too(tiny_model: Path) -> None:
    """It is what the request holds, not what the model had left to do."""
    with serving(model=str(tiny_model), device="cpu", cache_ttl=60) as server:
        body = {"query": "q", "documents": ["a", "b"]}
        first, second = (server.post(body, "/v1/rerank").json()["usage"] for _ in range(2))
    assert first == second
    assert first["total_tokens"] == prompt_tokens(server, "q", ["a", "b"])


def test_usage_is_estimated_where_the_scorer_does_not_count() -> None:
    """80 tokens around query and document, and one for each 4 bytes."""
    with serving(scorer=FakeScorer()) as server:
        body = {"query": "a" * 40, "documents": ["b" * 80, "b" * 80, "c" * 160]}
        usage = server.post(body, "/v1/rerank").json()["usage"]
    assert usage["total_tokens"] == 2 * (80 + 10) + 20 + 40


@pytest.mark.parametrize("path", ["/rerank", "/v2/rerank"])
def test_max_tokens_per_doc_cuts_a_document(server: Running, tiny_model: Path, path: str) -> None:
    """As if the client had sent no more of it. An empty document has its space."""
    words = ["red", "blue", "green", "one", "two"] * 10
    documents = ["", "red", " ".join(words)]
    assert token_counter(str(tiny_model))(" " + documents[2]) == 50
    truth = LocalScorer(str(tiny_model), device="cpu").score(
        "q", [*documents[:2], " ".join(words[:20])]
    )
    reply = server.post({"query": "q", "documents": documents, "max_tokens_per_doc": 20}, path)
    found = {row["index"]: row["relevance_score"] for row in reply.json()["results"]}
    assert found == pytest.approx(dict(enumerate(truth)), abs=1e-6)
    rows = reply.json().get("reranked_documents", [])
    assert [row["index"] for row in rows if row.get("truncated")] == [2] * bool(rows)
    assert all(row["document"] == documents[row["index"]] for row in rows)


def test_max_tokens_per_doc_is_estimated_without_a_tokenizer() -> None:
    """A token counts as 4 bytes."""
    scorer = FakeScorer()
    with serving(scorer=scorer, model="no/such-model") as server:
        server.post({"query": "q", "documents": ["x" * 100, "é"], "max_tokens_per_doc": 10})
    assert scorer.calls[-1][1] == ["x" * 40, "é"]


def test_a_document_of_216000_characters_is_cut_and_scored(server: Running) -> None:
    """As the same model does in process; a query of that length is refused."""
    long = "word " * 43_200
    rows = server.post({"query": "q", "documents": ["short", long]}).json()["reranked_documents"]
    assert {row["index"]: row.get("truncated") for row in rows} == {0: None, 1: True}
    assert all(row["score"] is not None for row in rows)
    refused = server.post({"query": long, "documents": ["short"]})
    assert (refused.status_code, "200000 is the most" in refused.text) == (413, True)


def test_texts_get_a_bare_list(server: Running, truth: list[float]) -> None:
    rows = server.post({"query": QUERY, "texts": DOCUMENTS, "raw_scores": False}).json()
    assert in_order(rows, "score") == pytest.approx(truth, abs=1e-6)
    assert set(rows[0]) == {"index", "score"}
    with_texts = server.post({"query": QUERY, "texts": DOCUMENTS, "return_text": True}).json()
    assert with_texts[0]["text"] == DOCUMENTS[with_texts[0]["index"]]


@pytest.mark.parametrize("name", ["top_n", "top_k"])
def test_limits_and_documents_as_objects(server: Running, name: str) -> None:
    objects = [{"text": text, "id": 7} for text in DOCUMENTS]
    body = {"query": QUERY, "documents": objects, name: 2, "return_documents": True}
    rows = server.post(body, "/v1/rerank").json()["results"]
    assert len(rows) == 2
    assert rows[0]["document"] == {"text": DOCUMENTS[rows[0]["index"]]}
    everything = server.post({"query": QUERY, "documents": DOCUMENTS, name: 99}).json()
    assert len(everything["results"]) == len(DOCUMENTS)


def test_threshold_and_instruction_reach_the_scorer(server: Running, tiny_model: Path) -> None:
    scorer = LocalScorer(str(tiny_model), device="cpu")
    task = "Find the procedure"
    truth = scorer.score(QUERY, DOCUMENTS, instruction=task)
    middle = sorted(set(truth))[1]
    body = {"query": QUERY, "documents": DOCUMENTS, "instruction": task}
    rows = server.post(body).json()["reranked_documents"]
    assert in_order(rows, "score") == pytest.approx(truth, abs=1e-6)
    kept = server.post(body | {"score_threshold": middle - 1e-5}).json()["reranked_documents"]
    assert len(kept) == sum(score >= middle - 1e-5 for score in truth) < len(DOCUMENTS)


def test_what_did_not_fit_is_marked(server: Running) -> None:
    long = "word " * 6000  # the tiny model reads 4096 tokens
    rows = server.post({"query": "q", "documents": ["short", long]}).json()["reranked_documents"]
    assert {row["index"]: row.get("truncated") for row in rows} == {0: None, 1: True}


def test_health_ready_and_metrics(server: Running) -> None:
    health = requests.get(server.url + "/health", timeout=30).json()
    assert (health["status"], health["state"]) == ("ok", "ready")
    assert health["model"] == server.service.settings.model
    assert requests.head(server.url + "/ready", timeout=30).status_code == 200
    server.post({"query": "secret", "documents": ["hidden"]})
    text = requests.get(server.url + "/metrics", timeout=30).text
    assert 'rerank_requests_total{code="200",route="/rerank"}' in text
    names = "request_duration_seconds queue_items queue_wait_seconds inference_seconds"
    for name in f"{names} batch_pairs batch_tokens".split():
        assert f"rerank_{name}" in text
    assert "secret" not in text
    assert "hidden" not in text


def test_openapi_has_examples_that_work(server: Running) -> None:
    paths = requests.get(server.url + "/openapi.json", timeout=30).json()["paths"]
    for path in ("/rerank", "/v1/rerank", "/v2/rerank"):
        content = paths[path]["post"]["requestBody"]["content"]["application/json"]
        replies = paths[path]["post"]["responses"]["200"]["content"]["application/json"]["examples"]
        for name, example in content["examples"].items():
            reply = server.post(example["value"], path).json()
            promised = replies[name]["value"]
            assert type(reply) is type(promised)
            assert set(reply if isinstance(reply, dict) else reply[0]) == set(
                promised if isinstance(promised, dict) else promised[0]
            )


def test_a_request_keeps_its_id(server: Running) -> None:
    body = {"query": "q", "documents": ["d"]}
    named = server.post(body, headers={"X-Request-Id": "mine-1"})
    assert named.headers["X-Request-Id"] == "mine-1"
    assert server.post(body, headers={"X-Request-Id": "a b"}).headers["X-Request-Id"] != "a b"
