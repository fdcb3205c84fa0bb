"""`llama_index_qwen_rerank.QwenRerank` by itself."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle, TextNode
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.base import BaseEvent
from llama_index_instrumentation.event_handlers import BaseEventHandler
from pydantic import SecretStr

from llama_index_qwen_rerank import QwenRerank
from qwen_rerank import ConfigError, InvalidInputError, LocalScorer, ScorerUnavailableError
from qwen_rerank.testing import FakeScorer


def rerank(**settings: Any) -> QwenRerank:
    return QwenRerank(**{"scorer": FakeScorer(), **settings})


def names(nodes: list[NodeWithScore]) -> list[str]:
    return [node.node.node_id for node in nodes]


def test_best_first_in_new_nodes_with_python_floats(nodes: list[NodeWithScore]) -> None:
    before = copy.deepcopy(nodes)
    ranked = rerank().postprocess_nodes(nodes, query_str="red wine")
    assert names(ranked) == ["d", "a", "b", "c"]
    assert [node.score for node in ranked] == [1.0, 0.5, 0.0, 0.0]
    assert {type(node.score) for node in ranked} == {float}
    assert nodes == before
    assert not {id(node) for node in nodes} & {id(node) for node in ranked}


@pytest.mark.parametrize(("top_n", "count"), [(None, 4), (1, 1), (4, 4), (99, 4)])
def test_top_n(nodes: list[NodeWithScore], top_n: int | None, count: int) -> None:
    assert len(rerank(top_n=top_n).postprocess_nodes(nodes, query_str="red")) == count


def test_the_threshold_keeps_what_equals_it(nodes: list[NodeWithScore]) -> None:
    ranked = rerank(score_threshold=0.5).postprocess_nodes(nodes, query_str="red wine")
    assert names(ranked) == ["d", "a"]


def test_equal_texts_are_distinct_nodes_scored_once() -> None:
    scorer = FakeScorer()
    twins = [NodeWithScore(node=TextNode(id_=n, text=t)) for n, t in ("1r", "2b", "3r")]
    assert names(rerank(scorer=scorer).postprocess_nodes(twins, query_str="r")) == ["1", "3", "2"]
    assert scorer.calls == [("r", ["r", "b"], None)]


def test_nothing_in_nothing_out_and_no_model(tmp_path: Path) -> None:
    absent = QwenRerank(model=str(tmp_path / "absent"))
    assert absent.postprocess_nodes([], query_str="red") == []


def test_a_missing_query_is_refused(nodes: list[NodeWithScore]) -> None:
    with pytest.raises(InvalidInputError, match="Missing query bundle"):
        rerank().postprocess_nodes(nodes)
    with pytest.raises(InvalidInputError, match="blank"):
        rerank().postprocess_nodes(nodes, query_bundle=QueryBundle(" "))


def test_the_retrieval_score_is_kept_and_hidden_from_the_llm(nodes: list[NodeWithScore]) -> None:
    ranked = rerank(keep_retrieval_score=True).postprocess_nodes(nodes, query_str="red wine")
    assert ranked[0].node.metadata == {"retrieval_score": pytest.approx(0.6)}
    for mode in (MetadataMode.LLM, MetadataMode.EMBED):
        assert ranked[0].node.get_content(mode) == "red wine"
    assert nodes[3].node.metadata == {}
    again = rerank(keep_retrieval_score=True).postprocess_nodes(ranked, query_str="red")
    last = next(node for node in again if node.node.node_id == "d")
    assert last.node.metadata == {"retrieval_score": pytest.approx(0.6)}
    assert last.node.excluded_llm_metadata_keys == ["retrieval_score"]


@pytest.mark.parametrize(
    ("mode", "text"),
    [(MetadataMode.EMBED, "title: fruit\n\nred"), (MetadataMode.NONE, "red")],
)
def test_the_metadata_mode_chooses_the_text(mode: MetadataMode, text: str) -> None:
    scorer = FakeScorer()
    node = NodeWithScore(node=TextNode(text="red", metadata={"title": "fruit"}))
    rerank(scorer=scorer, metadata_mode=mode).postprocess_nodes([node], query_str="red")
    assert scorer.calls[0][1] == [text]


def test_metadata_that_cannot_be_copied_is_shared() -> None:
    lock = threading.Lock()
    node = NodeWithScore(node=TextNode(text="red", metadata={"lock": lock, "list": [1]}))
    scorer = FakeScorer(error=ScorerUnavailableError("down"))
    adapter = rerank(scorer=scorer, metadata_mode=MetadataMode.NONE)
    [kept] = adapter.postprocess_nodes([node], query_str="red")
    assert kept.node.metadata["lock"] is lock
    assert kept.node.metadata["list"] is not node.node.metadata["list"]
    assert "down" in kept.node.metadata["rerank_error"]


def test_an_outage_keeps_order_and_scores_and_says_why_to_people_only(
    nodes: list[NodeWithScore], caplog: pytest.LogCaptureFixture
) -> None:
    scorer = FakeScorer(error=ScorerUnavailableError("the server is down"))
    postprocessor = rerank(scorer=scorer, top_n=2)
    ranked = postprocessor.postprocess_nodes(nodes, query_str="red wine")
    assert names(ranked) == ["a", "b"]
    assert [node.score for node in ranked] == [0.9, 0.8]
    assert "the server is down" in ranked[0].node.metadata["rerank_error"]
    assert ranked[0].node.get_content(MetadataMode.LLM) == "red apple pie"
    assert caplog.records[0].levelno == logging.WARNING
    scorer.error = None
    again = postprocessor.postprocess_nodes(ranked, query_str="red")
    assert "rerank_error" not in again[0].node.metadata


def test_the_model_may_come_first() -> None:
    assert QwenRerank("builtin", top_n=3).model == "builtin"
    assert QwenRerank.from_pretrained("builtin", top_n=3).top_n == 3


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ConfigError, match="QwenRerank: unknown setting 'topn', did you mean"):
        QwenRerank(topn=3)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="metadata_mode"):
        QwenRerank(metadata_mode="everything")  # type: ignore[arg-type]


def test_scores_are_the_local_scorers(tiny_model: Path, nodes: list[NodeWithScore]) -> None:
    settings: dict[str, Any] = {"model": str(tiny_model), "device": "cpu", "dtype": "float32"}
    ranked = QwenRerank(**settings).postprocess_nodes(nodes, query_str="red wine")
    truth = LocalScorer(**settings).score("red wine", [node.node.get_content() for node in nodes])
    scores = {node.node.node_id: node.score for node in ranked}
    assert scores == pytest.approx(dict(zip("abcd", truth, strict=True)))


class Events(BaseEventHandler):
    """Keeps what the dispatcher tells."""

    seen: list[BaseEvent]

    def handle(self, event: BaseEvent, **kwargs: Any) -> None:
        self.seen.append(event)


@pytest.fixture
def events() -> Iterator[Events]:
    root, handler = get_dispatcher(), Events(seen=[])
    root.add_event_handler(handler)
    yield handler
    root.event_handlers.remove(handler)


@pytest.fixture
def spans() -> Iterator[SimpleSpanHandler]:
    root, handler = get_dispatcher(), SimpleSpanHandler()
    root.add_span_handler(handler)
    yield handler
    root.span_handlers.remove(handler)


async def run(postprocessor: QwenRerank, nodes: list[NodeWithScore], how: str) -> Any:
    if how == "async":
        return await postprocessor.apostprocess_nodes(nodes, query_str="red wine")
    return postprocessor.postprocess_nodes(nodes, query_str="red wine")


@pytest.mark.parametrize("how", ["sync", "async"])
async def test_events_and_spans_show_the_rerank(
    nodes: list[NodeWithScore], events: Events, spans: SimpleSpanHandler, how: str
) -> None:
    debug = LlamaDebugHandler(print_trace_on_end=False)
    postprocessor = rerank(top_n=None, callback_manager=CallbackManager([debug]))
    ranked = await run(postprocessor, nodes, how)
    start, end = [e for e in events.seen if isinstance(e, ReRankStartEvent | ReRankEndEvent)]
    assert isinstance(start, ReRankStartEvent)
    assert (start.top_n, start.model_name) == (4, "FakeScorer")
    assert [node.score for node in start.nodes] == [0.9, 0.8, 0.7, pytest.approx(0.6)]
    assert isinstance(end, ReRankEndEvent)
    assert end.nodes == ranked
    ranked[0].score = -7  # as other postprocessors do
    assert end.nodes[0].score == 1.0
    assert len(debug.get_event_pairs(CBEventType.RERANKING)) == 1
    expected = "QwenRerank._apostprocess_nodes" if how == "async" else "._postprocess_nodes"
    assert [s for s in spans.completed_spans if expected in s.id_]


@pytest.mark.parametrize("how", ["sync", "async"])
async def test_a_start_without_work_is_never_announced(
    nodes: list[NodeWithScore], events: Events, how: str
) -> None:
    assert await run(rerank(), [], how) == []
    with pytest.raises(InvalidInputError, match="blank"):
        rerank().postprocess_nodes(nodes, query_str=" ")
    assert not [event for event in events.seen if isinstance(event, ReRankStartEvent)]


async def test_async_equals_sync(nodes: list[NodeWithScore]) -> None:
    assert await run(rerank(), nodes, "async") == await run(rerank(), nodes, "sync")


async def test_many_slow_calls_do_not_starve_the_default_executor(
    nodes: list[NodeWithScore],
) -> None:
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(query: str, document: str) -> float:
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(10)
        return 0.5

    postprocessor = rerank(scorer=FakeScorer(slow))
    calls = [postprocessor.apostprocess_nodes(nodes[:1], query_str="red") for _ in range(100)]
    tasks = [asyncio.create_task(call) for call in calls]
    assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 10) == "free"
    release.set()
    assert len(await asyncio.gather(*tasks)) == 100


def test_to_dict_and_back_and_pickle_keep_the_settings(nodes: list[NodeWithScore]) -> None:
    postprocessor = QwenRerank(model="builtin", top_n=None, metadata_mode=MetadataMode.NONE)
    written = json.loads(postprocessor.to_json())
    assert written["class_name"] == "QwenRerank"
    assert QwenRerank.from_dict(written).to_dict() == postprocessor.to_dict()
    with pytest.raises(ConfigError, match="scorer is an object of yours"):
        rerank().to_dict()
    with pytest.raises(ConfigError, match="scorer: a FakeScorer does not pickle"):
        pickle.dumps(rerank(scorer=FakeScorer(lambda q, d: 0.5)))
    fake = rerank(top_n=2)
    for again in (pickle.loads(pickle.dumps(fake)), copy.deepcopy(fake)):
        assert names(again.postprocess_nodes(nodes, query_str="red wine")) == ["d", "a"]


def test_the_key_is_nowhere_to_be_seen() -> None:
    key = "sk-very-secret"
    postprocessor = QwenRerank(base_url="http://127.0.0.1:9", api_key=SecretStr(key))
    shown = [repr(postprocessor), postprocessor.to_json(), str(vars(postprocessor))]
    assert not [text for text in shown if key in text]
    again = pickle.loads(pickle.dumps(postprocessor))
    assert again.api_key.get_secret_value() == key
