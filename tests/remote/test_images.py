"""Images reach the servers that take them; from anywhere else they come back with the reason."""

from __future__ import annotations

import base64
import pickle
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from llama_index.core.schema import ImageNode, NodeWithScore, TextNode

import langchain_qwen_rerank
import llama_index_qwen_rerank
from qwen_rerank import (
    CachedScorer,
    ImageDocument,
    InvalidInputError,
    LocalScorer,
    Prefilter,
    RemoteScorer,
    Reranker,
    RerankRequest,
    Scores,
)
from tests.remote.fault_server import Received
from tests.remote.servers import Reply, Server, running

PIXEL = "data:image/png;base64,iVBORw0KGgo="
URL = "https://example.org/mars.png"
TEXT = "Mars is red."
DOCUMENTS = [TEXT, ImageDocument(PIXEL), ImageDocument(URL, "Mars from orbit")]
AS_PARTS = [
    TEXT,
    {"content": [{"type": "image_url", "image_url": {"url": PIXEL}}]},
    {
        "content": [
            {"type": "text", "text": "Mars from orbit"},
            {"type": "image_url", "image_url": {"url": URL}},
        ]
    },
]
AS_FIELDS = [{"text": TEXT}, {"image": PIXEL}, {"image": URL}]


def by_place(received: Received) -> list[float]:
    """Scores that fall from document to document, whatever these are."""
    return [0.9 - 0.1 * place for place in range(len(documents_of(received)))]


def documents_of(received: Received) -> list[Any]:
    documents: list[Any] = received.body.get("input", received.body)["documents"]
    return documents


def answer(received: Received) -> Reply:
    results = [{"index": i, "relevance_score": s} for i, s in enumerate(by_place(received))]
    found = {"results": results}
    return 200, {"output": found} if "input" in received.body else found


def text_only(received: Received) -> Reply:
    """As vLLM does for a model without a vision part."""
    if any(not isinstance(document, str) for document in documents_of(received)):
        return 400, {"error": {"message": "m is not a multimodal model", "code": 400}}
    return answer(received)


def score(server: Server, dialect: str, documents: list[str], **more: Any) -> Scores:
    scorer = RemoteScorer(server.url, "m", dialect=dialect, canary=False, **more)
    [scores] = scorer.score_batch([RerankRequest("red planet", documents)])
    assert isinstance(scores, Scores), scores
    return scores


def numbers(scores: Scores) -> list[float | None]:
    return [None if d.score is None else round(d.score, 3) for d in scores.documents]


@pytest.mark.parametrize(
    ("dialect", "sent"), [("vllm", AS_PARTS), ("jina", AS_FIELDS), ("dashscope", AS_FIELDS)]
)
def test_images_are_sent_in_the_server_s_form(dialect: str, sent: list[Any]) -> None:
    with running(answer) as server:
        assert numbers(score(server, dialect, DOCUMENTS)) == [0.9, 0.8, 0.7]
        assert documents_of(server.received[-1]) == sent
        score(server, dialect, [TEXT])
        assert documents_of(server.received[-1]) == [TEXT]  # as ever


@pytest.mark.parametrize(
    ("dialect", "more"), [("auto", {}), ("cohere", {}), ("vllm", {"template": "client"})]
)
def test_a_server_that_is_not_known_to_see_gets_no_image(
    dialect: str, more: dict[str, Any]
) -> None:
    with running(answer) as server:
        first, *images = score(server, dialect, DOCUMENTS, **more).documents
        assert first.score is not None
        for document in images:
            assert document.score is None
            assert "name its dialect" in str(document.reason)
        assert all(PIXEL not in str(received.body) for received in server.received)


def test_a_server_that_refuses_images_still_scores_the_texts() -> None:
    with running(text_only) as server:
        scores = score(server, "vllm", [*DOCUMENTS, "Venus is bright."])
    assert numbers(scores) == [0.9, None, None, 0.8]
    assert "refuses images: " in str(scores.documents[1].reason)
    assert "not a multimodal model" in str(scores.documents[1].reason)


def test_scorers_that_read_give_the_reason(tiny_model: Path) -> None:
    class Mine:
        def score(self, query: str, documents: Any, *, instruction: str | None = None) -> Any:
            assert documents == [TEXT]
            return [0.5]

    for scorer in (LocalScorer(str(tiny_model), "cpu"), Mine()):
        ranking = Reranker(scorer).rerank("red planet", [*DOCUMENTS, TEXT])
        assert [result.index for result in ranking] == [0, 3, 1, 2]
        for result in ranking[2:]:
            assert result.score is None
            assert "this model reads only text" in str(result.not_reranked)


def test_caches_and_prefilters_know_images_by_what_they_show() -> None:
    with running(answer) as server:
        scorer = CachedScorer(RemoteScorer(server.url, "m", dialect="vllm", canary=False))
        for _ in range(2):
            [scores] = scorer.score_batch([RerankRequest("red planet", DOCUMENTS)])
            assert isinstance(scores, Scores)
            assert numbers(scores) == [0.9, 0.8, 0.7]
        assert len(server.received) == 1
        few = Reranker(scorer, prefilter=Prefilter(1))
        best, *rest = few.rerank("orbit", DOCUMENTS)
        assert (best.index, len(rest)) == (2, 2)
    assert pickle.loads(pickle.dumps(DOCUMENTS[2])).image == URL
    assert ImageDocument(URL) != ImageDocument(URL, "Mars from orbit")


@pytest.mark.parametrize("image", ["", "mars.png", "file:///etc/passwd", "data:text/html,x", None])
def test_what_is_no_image_is_refused(image: Any) -> None:
    with pytest.raises(InvalidInputError, match="must be a URL or a data URI"):
        ImageDocument(image)


def test_llama_index_sends_image_nodes(tmp_path: Path) -> None:
    path = tmp_path / "mars.jpg"
    path.write_bytes(b"jpeg")
    encoded = base64.b64encode(b"png").decode()
    found = [
        TextNode(text=TEXT),
        ImageNode(text="Mars from orbit", image_url=URL),
        ImageNode(image=encoded),
        ImageNode(image_path=str(path)),
        ImageNode(text="gone", image_path=str(tmp_path / "gone.png")),
    ]
    nodes = [NodeWithScore(node=node, score=0.5) for node in found]
    with running(answer) as server:
        rerank = llama_index_qwen_rerank.QwenRerank(
            base_url=server.url, dialect="vllm", canary=False, on_error="raise"
        )
        ranking = rerank.postprocess_nodes(nodes, query_str="red planet")
        sent = documents_of(server.received[-1])
    assert [node.node.node_id for node in ranking] == [node.node_id for node in found]
    assert sent[:2] == [AS_PARTS[0], AS_PARTS[2]]
    urls = [document["content"][-1]["image_url"]["url"] for document in sent[2:4]]
    assert urls[0] == f"data:image/png;base64,{encoded}"
    assert urls[1].startswith("data:image/jpeg;base64,")
    assert sent[4] == "gone"


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "url": URL},
        {"type": "image_url", "image_url": {"url": URL}},
        {"type": "image_url", "image_url": URL},
        {"type": "image", "source_type": "url", "url": URL},
    ],
)
def test_langchain_sends_image_blocks(block: dict[str, Any]) -> None:
    page = Document("Mars from orbit", metadata={"block": block})
    with running(answer) as server:
        rerank = langchain_qwen_rerank.QwenRerank(
            base_url=server.url,
            dialect="vllm",
            canary=False,
            on_error="raise",
            document_formatter=lambda d: [
                {"type": "text", "text": d.page_content},
                d.metadata["block"],
            ],
        )
        [found] = rerank.compress_documents([page], "red planet")
        assert documents_of(server.received[-1]) == [AS_PARTS[2]]
    assert found.metadata["relevance_score"] == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([{"type": "audio", "base64": "x"}], "got the type 'audio'"),
        ([{"type": "image", "url": URL}] * 2, "one image, got 2"),
    ],
)
def test_langchain_names_what_it_can_not_send(blocks: list[Any], message: str) -> None:
    rerank = langchain_qwen_rerank.QwenRerank(model="builtin", document_formatter=lambda _: blocks)
    with pytest.raises(InvalidInputError, match=message):
        rerank.compress_documents([Document("x")], "red planet")
