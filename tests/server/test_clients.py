"""Clients of other servers, unchanged, get the scores of the local scorer."""

from __future__ import annotations

from pathlib import Path

import cohere
import dashscope
import pytest
from langchain_cohere import CohereRerank
from pydantic import SecretStr

from qwen_rerank import LocalScorer, RemoteScorer, load
from tests.server.running import Running

QUERY = "capital of france"
DOCUMENTS = ["bananas are yellow", "paris is the capital of france", "gravity is a force"]


@pytest.fixture(scope="module")
def truth(tiny_model: Path) -> dict[int, float]:
    return dict(enumerate(LocalScorer(str(tiny_model), device="cpu").score(QUERY, DOCUMENTS)))


def test_cohere_v1(server: Running, truth: dict[int, float]) -> None:
    client = cohere.Client(api_key="any", base_url=server.url)
    reply = client.rerank(model="m", query=QUERY, documents=DOCUMENTS, return_documents=True)
    assert {r.index: r.relevance_score for r in reply.results} == pytest.approx(truth, abs=1e-6)
    assert reply.results[0].document is not None
    assert reply.results[0].document.text == DOCUMENTS[reply.results[0].index]


def test_cohere_v2(server: Running, truth: dict[int, float]) -> None:
    client = cohere.ClientV2(api_key="any", base_url=server.url)
    reply = client.rerank(model="m", query=QUERY, documents=DOCUMENTS, top_n=2)
    best = sorted(truth, key=lambda index: -truth[index])[:2]
    assert [r.index for r in reply.results] == best
    assert [r.relevance_score for r in reply.results] == pytest.approx(
        [truth[i] for i in best], abs=1e-6
    )


def test_cohere_reads_our_errors(server: Running) -> None:
    client = cohere.ClientV2(api_key="any", base_url=server.url)
    with pytest.raises(cohere.UnprocessableEntityError, match="query must hold a text"):
        client.rerank(model="m", query=" ", documents=DOCUMENTS)


def test_langchain_cohere(server: Running, truth: dict[int, float]) -> None:
    reranker = CohereRerank(
        base_url=server.url, cohere_api_key=SecretStr("any"), model="m", top_n=3
    )
    found = reranker.rerank(DOCUMENTS, QUERY)
    assert {r["index"]: r["relevance_score"] for r in found} == pytest.approx(truth, abs=1e-6)


def test_dashscope(
    server: Running, truth: dict[int, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashscope, "base_http_api_url", server.url + "/api/v1")
    reply = dashscope.TextReRank.call("m", QUERY, DOCUMENTS, api_key="any")
    assert reply.status_code == 200, reply.message
    found = {row.index: row.relevance_score for row in reply.output.results}
    assert found == pytest.approx(truth, abs=1e-6)


def test_our_own_remote_scorer(server: Running, truth: dict[int, float]) -> None:
    scorer = RemoteScorer(server.url, canary=False)  # random weights know no capital
    assert dict(enumerate(scorer.score(QUERY, DOCUMENTS))) == pytest.approx(truth, abs=1e-6)
    local = load(model=server.service.settings.model, device="cpu")
    through = load(base_url=server.url, canary=False)
    order = [r.index for r in local.rerank(QUERY, DOCUMENTS)]
    assert [r.index for r in through.rerank(QUERY, DOCUMENTS)] == order
