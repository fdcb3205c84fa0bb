"""Each route's reply, in the shape that its clients parse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from qwen_rerank import LocalScorer
from tests.server.running import Running

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
    assert reply["usage"] == {"prompt_tokens": 0, "total_tokens": 0}


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
