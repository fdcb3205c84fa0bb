"""Each dialect writes the requests of its server and reads its replies."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_rerank import BadScoresError, ConfigError, RemoteRejectedError, RemoteScorer
from qwen_rerank.scorers.remote.address import checked_base_url, known_dialect, route
from qwen_rerank.scorers.remote.dialects import DIALECTS
from qwen_rerank.scorers.remote.response import scores_by_index
from qwen_rerank.types import RerankRequest, Scores
from tests.remote.fault_server import Received
from tests.remote.servers import Reply, Server, at, common_answer, own, running, sglang, tei, vllm

MODEL = "some/model"
INSTRUCTED = RerankRequest("q", ["a", " "], "Find it")
PLAIN = RerankRequest("q", ["a", "b"])

COMMON: dict[str, Any] = {"model": MODEL, "query": "q", "documents": ["a", " "]}
QUIET = {**COMMON, "return_documents": False}
REQUESTS: dict[str, dict[str, Any]] = {
    "qwen-rerank": {"query": "q", "documents": ["a", " "], "instruction": "Find it"},
    "generic": {**COMMON, "instruction": "Find it"},
    "cohere": COMMON,
    "jina": QUIET,
    "vllm": {**COMMON, "instruction": "Find it"},
    "llamacpp": COMMON,
    "litellm": {**COMMON, "return_documents": False, "instruction": "Find it"},
    "infinity": QUIET,
    "xinference": {**COMMON, "return_documents": False, "kwargs": '{"instruction": "Find it"}'},
    "siliconflow": {**QUIET, "instruction": "Find it"},
    "dashscope-compatible": {**COMMON, "instruct": "Find it"},
    "sglang": {**QUIET, "instruct": "Find it"},
    "tei": {"query": "q", "texts": ["a", " "], "raw_scores": False, "truncate": True},
    "voyage": {**QUIET, "truncation": True},
    "dashscope": {
        "model": MODEL,
        "input": {"query": "q", "documents": ["a", " "]},
        "parameters": {"return_documents": False, "instruct": "Find it"},
    },
    "deepinfra": {"queries": ["q", "q"], "documents": ["a", " "], "instruction": "Find it"},
}
ITEMS = [{"index": 1, "relevance_score": 0.75}, {"index": 0, "relevance_score": 0.25}]
SCORED = [{"index": 1, "score": 0.75}, {"index": 0, "score": 0.25}]
REPLIES: dict[str, Any] = {
    "qwen-rerank": {"reranked_documents": SCORED},
    "sglang": SCORED,
    "tei": SCORED,
    "voyage": {"data": ITEMS},
    "dashscope": {"output": {"results": ITEMS}, "request_id": "x"},
    "deepinfra": {"scores": [0.25, 0.75]},
}


@pytest.mark.parametrize("name", DIALECTS)
def test_requests_and_replies(name: str) -> None:
    dialect = DIALECTS[name]
    assert dialect.body(MODEL, INSTRUCTED) == REQUESTS[name]
    assert not {"top_n", "top_k"} & set(dialect.body(MODEL, PLAIN))
    assert not {"instruction", "instruct", "kwargs"} & set(dialect.body(MODEL, PLAIN))
    assert dialect.read(REPLIES.get(name, {"results": ITEMS}), 2) == Scores.of([0.25, 0.75])
    with pytest.raises(BadScoresError, match="wanted"):
        dialect.read(REPLIES.get(name, {"results": ITEMS}), 3)
    with pytest.raises(BadScoresError, match="wanted"):
        dialect.read({"code": "Throttling", "message": "slow down"}, 2)


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=30).flatmap(
        lambda scores: st.tuples(st.just(scores), st.permutations(range(len(scores))))
    )
)
def test_scores_are_mapped_by_index_whatever_their_order(
    drawn: tuple[list[float], list[int]],
) -> None:
    scores, order = drawn
    items = [{"index": place, "score": scores[place], "document": "x"} for place in order]
    assert scores_by_index(items, len(scores), "score") == Scores.of(scores)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["index", "score"]), inner),
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"index": st.integers(-1, 3) | anything, "score": st.floats() | anything}
        )
    )
    | anything
)
def test_any_reply_gives_a_complete_list_of_scores_or_an_error(items: Any) -> None:
    try:
        scores = scores_by_index(items, 3, "score")
    except BadScoresError:
        return
    assert len(scores.documents) == 3
    for document in scores.documents:
        assert (document.score is None) == (document.reason is not None)
        assert document.score is None or 0 <= document.score <= 1
    assert sorted(item["index"] for item in items) == [0, 1, 2]


@pytest.mark.parametrize(
    ("base", "path", "wanted"),
    [
        ("http://h", "/v1/rerank", "http://h/v1/rerank"),
        ("http://h/v1", "/v1/rerank", "http://h/v1/rerank"),
        ("http://h/v1/rerank", "/v1/rerank", "http://h/v1/rerank"),
        ("http://h/team/rerank", "/v1/rerank", "http://h/team/rerank"),
        ("http://h:1/team", "/v1/rerank", "http://h:1/team/v1/rerank"),
        ("http://h/api/v1/reranking", "/v1/rerank", "http://h/api/v1/reranking"),
        ("http://h/reranker", "/v1/rerank", "http://h/reranker/v1/rerank"),
        ("http://h/api/v1", "/api/v1/services/x", "http://h/api/v1/services/x"),
        (
            "http://h/compatible-api/v1",
            "/compatible-api/v1/reranks",
            "http://h/compatible-api/v1/reranks",
        ),
        (
            "https://api.deepinfra.com",
            "/v1/inference/{model}",
            "https://api.deepinfra.com/v1/inference/a/b",
        ),
    ],
)
def test_routes(base: str, path: str, wanted: str) -> None:
    assert route(base, path, "a/b") == wanted


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.siliconflow.cn/v1", "siliconflow"),
        ("https://dashscope.aliyuncs.com", "dashscope"),
        ("https://w1.ap-southeast-1.maas.aliyuncs.com/compatible-api/v1", "dashscope-compatible"),
        ("https://api.voyageai.com/v1", "voyage"),
    ],
)
def test_public_services_are_known_by_their_host(url: str, name: str) -> None:
    dialect = known_dialect(url)
    assert dialect is not None
    assert dialect.name == name
    assert known_dialect("http://api.voyageai.com.evil.example") is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000",
        "ftp://h",
        "http://",
        "http://h:0",
        "http://h:99999",
        "http://[h",
        "http://me:hush@h",
        "http://h?k=hush",
    ],
)
def test_a_base_url_is_checked_and_a_wrong_one_is_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="base_url") as caught:
        checked_base_url(url)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("server", "name", "path"),
    [
        (own, "qwen-rerank", "/rerank"),
        (vllm, "generic", "/rerank"),
        (sglang, "sglang", "/v1/rerank"),
        (tei, "tei", "/rerank"),
    ],
)
def test_the_dialect_is_found_from_the_replies(server: Any, name: str, path: str) -> None:
    started: AbstractContextManager[Server] = server()
    with started as running_server:
        scorer = RemoteScorer(running_server.url, model="m")
        assert scorer.score("red wine", ["red", "red wine"]) == [0.5, 1]
        [found] = scorer.check()
        assert (found.dialect, found.problem) == (name, None)
        assert running_server.received[-1].path == path
        before = len(running_server.received)
        scorer.score("red wine", ["red"])
        assert len(running_server.received) == before + 1, "the handshake is done once"
        assert len(running_server.connections) == 1, "connections are kept"


@pytest.mark.parametrize("dialect", ["auto", "vllm"])
def test_a_full_url_gets_the_request_as_it_is(dialect: str) -> None:
    with running(at({"/api/v1/reranking": common_answer})) as server:
        url = f"{server.url}/api/v1/reranking"
        scorer = RemoteScorer(url, model="m", dialect=dialect, canary=False)
        assert scorer.score("red wine", ["red"]) == [0.5]
        assert {received.path for received in server.received} == {"/api/v1/reranking"}


def test_a_url_with_an_unusual_route_is_found() -> None:
    with running(at({"/models/bge": common_answer})) as server:
        assert RemoteScorer(f"{server.url}/models/bge", "m").score("red wine", ["red"]) == [0.5]


def test_a_server_that_demands_top_n_gets_the_number_of_documents() -> None:
    def answer(received: Received) -> Reply:
        if received.body.get("top_n") != len(received.documents):
            missing = {"loc": ["body", "top_n"], "msg": "Field required"}
            return 422, {"detail": [missing]}
        return common_answer(received)

    with running(at({"/v1/rerank": answer})) as server:
        scorer = RemoteScorer(server.url, "m")
        assert scorer.score("red wine", ["red", "sea", "wine"]) == [0.5, 0, 0.5]


def test_sglang_and_vllm_get_the_instruction_under_their_names() -> None:
    for server, name in ((sglang, "instruct"), (vllm, "instruction"), (own, "instruction")):
        with server() as started:
            RemoteScorer(started.url, model="m").score("q", ["d"], instruction="Find it")
            assert started.received[-1].body[name] == "Find it"


def test_an_instruction_is_never_dropped_in_silence() -> None:
    with tei() as server, pytest.raises(ConfigError, match="no way to pass an instruction"):
        RemoteScorer(server.url, model="m").score("q", ["d"], instruction="Find it")


def test_a_server_without_a_rerank_route_is_named_with_what_was_tried() -> None:
    with running(at({"/elsewhere": common_answer})) as server:
        with pytest.raises(RemoteRejectedError, match=r"dialect=.*/rerank.*/v1/rerank") as caught:
            RemoteScorer(server.url).score("q", ["d"])
        assert caught.value.status == 404


def test_a_model_that_the_server_does_not_know_is_named() -> None:
    def answer(received: Any) -> Any:
        return 404, {"error": {"message": f"The model `{received.body['model']}` does not exist."}}

    with (
        running(answer) as server,
        pytest.raises(RemoteRejectedError, match="`x/y` does not") as caught,
    ):
        RemoteScorer(server.url, model="x/y").score("q", ["d"])
    assert "no rerank route" not in str(caught.value)
    assert len(server.received) == 1


def test_an_unknown_dialect_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"one of auto, qwen-rerank, .*, got 'openai'"):
        RemoteScorer("http://localhost", dialect="openai")
