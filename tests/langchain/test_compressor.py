"""`langchain_qwen_rerank.QwenRerank` as a pipeline sees it."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import pickle
import shutil
import threading
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_classic.retrievers.document_compressors import (
    CrossEncoderReranker,
    DocumentCompressorPipeline,
)
from langchain_community.vectorstores import FAISS
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.load import dumpd, dumps, load
from pydantic import SecretStr

from langchain_qwen_rerank import QwenCrossEncoder, QwenRerank
from qwen_rerank import (
    ConfigError,
    FallbackScorer,
    InvalidInputError,
    LocalScorer,
    ScorerUnavailableError,
)
from qwen_rerank.testing import FakeScorer


def rerank(**settings: Any) -> QwenRerank:
    return QwenRerank(**{"scorer": FakeScorer(), **settings})


def names(documents: Any) -> list[str | None]:
    return [document.id for document in documents]


def test_best_first_with_scores_and_everything_else_kept(documents: list[Document]) -> None:
    ranked = rerank().compress_documents(documents, "red wine")
    assert names(ranked) == ["d", "a", "b", "c"]
    assert ranked[0].metadata == {"page": 4, "relevance_score": 1.0}
    assert [type(document.metadata["relevance_score"]) for document in ranked] == [float] * 4


def test_the_callers_documents_stay_as_they_are(documents: list[Document]) -> None:
    before = copy.deepcopy(documents)
    ranked = rerank().compress_documents(documents, "blue sky")
    ranked[0].metadata["tags"].append("changed by the caller")
    assert documents == before


def test_a_faiss_docstore_is_the_same_after_a_query(store: FAISS) -> None:
    retriever = ContextualCompressionRetriever(
        base_compressor=rerank(top_n=2), base_retriever=store.as_retriever()
    )
    first = retriever.invoke("red wine")
    kept = [store.docstore.search(name) for name in "abcd"]
    assert all("relevance_score" not in d.metadata for d in kept if isinstance(d, Document))
    assert retriever.invoke("red wine") == first


def test_a_score_from_an_earlier_stage_is_replaced_and_ours_stands_last() -> None:
    stale = Document(
        "red wine",
        metadata={"relevance_score": 9.0, "rerank_error": "old", "rerank_truncated": True, "z": 1},
    )
    [ranked] = rerank().compress_documents([stale], "red wine")
    assert list(ranked.metadata.items()) == [("z", 1), ("relevance_score", 1.0)]


def test_equal_texts_are_distinct_documents_scored_once() -> None:
    scorer = FakeScorer()
    twins = [Document("red", id="1"), Document("blue", id="2"), Document("red", id="3")]
    ranked = rerank(scorer=scorer).compress_documents(twins, "red")
    assert names(ranked) == ["1", "3", "2"]
    assert scorer.calls == [("red", ["red", "blue"], None)]


@pytest.mark.parametrize(("top_n", "count"), [(None, 4), (1, 1), (4, 4), (99, 4)])
def test_top_n(documents: list[Document], top_n: int | None, count: int) -> None:
    assert len(rerank(top_n=top_n).compress_documents(documents, "red")) == count


def test_the_threshold_keeps_what_equals_it(documents: list[Document]) -> None:
    ranked = rerank(score_threshold=0.5).compress_documents(documents, "red wine")
    assert names(ranked) == ["d", "a"]


def test_nothing_in_nothing_out_and_no_model(tmp_path: Path) -> None:
    assert QwenRerank(model=str(tmp_path / "absent")).compress_documents([], "red") == []


def test_a_formatter_chooses_the_text(documents: list[Document]) -> None:
    chosen = rerank(document_formatter=lambda d: f"page {d.metadata['page']}")
    assert names(chosen.compress_documents(documents, "page 3"))[0] == "c"


def test_rerank_gives_indices_and_scores(documents: list[Document]) -> None:
    texts: list[str | Document] = [documents[0], *(d.page_content for d in documents[1:])]
    ranked = rerank(top_n=3).rerank(texts, "red wine")
    asked = rerank(top_n=3).compress_documents(documents, "red wine")
    assert texts[ranked[0]["index"]] == asked[0].page_content
    assert [row["relevance_score"] for row in ranked] == [
        document.metadata["relevance_score"] for document in asked
    ]
    assert len(rerank(top_n=3).rerank(texts, "red wine", top_n=None)) == 4
    assert len(rerank().rerank(texts, "red wine", score_threshold=1.0)) == 1
    with pytest.raises(InvalidInputError, match="top_n"):
        rerank().rerank(texts, "red wine", top_n=0)


def test_one_call_may_have_an_instruction_of_its_own() -> None:
    scorer = FakeScorer()
    reranker = QwenRerank(scorer=scorer, instruction="Find drinks")
    reranker.rerank(["red"], "red wine", instruction="Find food")
    reranker.rerank(["red"], "red wine")
    assert [instruction for _, _, instruction in scorer.calls] == ["Find food", "Find drinks"]


@pytest.mark.parametrize("kind", [QwenRerank, QwenCrossEncoder])
def test_the_model_may_come_first(kind: type[QwenRerank] | type[QwenCrossEncoder]) -> None:
    assert kind("builtin").model == "builtin"
    assert kind.from_pretrained("builtin", device="cpu").device == "cpu"


def test_the_instruction_reaches_the_scorer(documents: list[Document]) -> None:
    scorer = FakeScorer()
    compressor = rerank(scorer=scorer, instruction="Find fruit")
    compressor.compress_documents(documents, "red")
    compressor.instruction = "Find drinks"
    compressor.compress_documents(documents, "red")
    assert [instruction for _, _, instruction in scorer.calls] == ["Find fruit", "Find drinks"]


def test_an_outage_keeps_the_order_says_why_and_is_logged_once(
    documents: list[Document], caplog: pytest.LogCaptureFixture
) -> None:
    scorer = FakeScorer(error=ScorerUnavailableError("the server is down"))
    compressor = rerank(scorer=scorer, top_n=2)
    for _ in range(3):
        ranked = compressor.compress_documents(documents, "red wine")
        assert names(ranked) == ["a", "b"]
        assert ranked[0].metadata == {
            "page": 1,
            "rerank_error": "ScorerUnavailableError: the server is down",
        }
    scorer.error = None
    assert names(compressor.compress_documents(documents, "red wine"))[0] == "d"
    messages = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert messages == [
        (logging.WARNING, "not reranked, the original order is kept: the server is down"),
        (logging.WARNING, "reranking again, after 3 calls in original order"),
    ]


def test_an_outage_can_raise(documents: list[Document]) -> None:
    scorer = FakeScorer(error=ScorerUnavailableError("the server is down"))
    with pytest.raises(ScorerUnavailableError, match="the server is down"):
        rerank(scorer=scorer, on_error="raise").compress_documents(documents, "red")


@pytest.mark.parametrize("query", ["", " \n", None, 7])
def test_a_query_that_is_none_is_refused(documents: list[Document], query: Any) -> None:
    with pytest.raises(InvalidInputError, match="query must"):
        rerank().compress_documents(documents, query)


def test_a_formatter_that_gives_no_text_is_named(documents: list[Document]) -> None:
    broken = rerank(document_formatter=lambda d: None if d.id == "c" else "text")
    with pytest.raises(InvalidInputError, match=r"documents\[2\] must be a text, got NoneType"):
        broken.compress_documents(documents, "red")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"topn": 3}, "unknown setting 'topn', did you mean 'top_n'"),
        ({"top_n": 0}, "top_n: .*greater than or equal to 1, got 0"),
        ({"score_threshold": 5}, "score_threshold: .*less than or equal to 1, got 5"),
        ({"on_error": "ignore"}, "on_error: .*'original_order' or 'raise', got 'ignore'"),
        ({"dtype": "int4"}, "dtype: .*, got 'int4'"),
        ({"scorer": object()}, "scorer: .*"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"QwenRerank: {message}"):
        QwenRerank(**settings)


def test_settings_come_from_the_environment_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEN_RERANK_TOP_N", "7")
    monkeypatch.setenv("QWEN_RERANK_SCORE_THRESHOLD", "none")
    assert (QwenRerank().top_n, QwenRerank(top_n=2).top_n) == (7, 2)
    monkeypatch.setenv("QWEN_RERANK_TOP_N", "many")
    with pytest.raises(ConfigError, match="got 'many' \\(from QWEN_RERANK_TOP_N\\)"):
        QwenRerank()


def test_what_makes_the_scorer_is_fixed_and_a_copy_may_differ(documents: list[Document]) -> None:
    compressor = rerank()
    with pytest.raises(ConfigError, match="model can't be changed any more"):
        compressor.model = "builtin"
    other = compressor.model_copy(update={"scorer": FakeScorer(lambda q, d: len(d) / 100)})
    assert names(other.compress_documents(documents, "red wine"))[0] == "a"
    assert names(compressor.compress_documents(documents, "red wine"))[0] == "d"


def test_another_models_scores_are_marked(documents: list[Document]) -> None:
    down = FakeScorer(error=ScorerUnavailableError("the server is down"))
    compressor = rerank(scorer=FallbackScorer(down, FakeScorer()))
    [first, *_] = compressor.compress_documents(documents, "red wine")
    assert first.metadata["relevance_score"] == 1.0
    assert "the server is down" in first.metadata["rerank_fallback"]


def test_an_outage_leaves_no_old_score_to_be_taken_for_ours() -> None:
    compressor = rerank(scorer=FakeScorer(error=ScorerUnavailableError("down")))
    [kept] = compressor.compress_documents([Document("a", metadata={"relevance_score": 9})], "a")
    assert list(kept.metadata) == ["rerank_error"]


def test_metadata_that_cannot_be_copied_is_shared() -> None:
    lock = threading.Lock()
    [ranked] = rerank().compress_documents([Document("a", metadata={"lock": lock})], "a")
    assert ranked.metadata["lock"] is lock


def test_two_adapters_of_one_model_share_its_weights(
    tiny_model: Path,
    tmp_path: Path,
    documents: list[Document],
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = str(shutil.copytree(tiny_model, tmp_path / "model"))
    with caplog.at_level(logging.INFO, "qwen_rerank"):
        for top_n in (1, 2):
            settings: dict[str, Any] = {"model": folder, "device": "cpu", "dtype": "float32"}
            QwenRerank(top_n=top_n, **settings).compress_documents(documents, "red wine")
    assert caplog.text.count(f"loaded {folder}") == 1


def test_scores_are_the_local_scorers(tiny_model: Path, documents: list[Document]) -> None:
    compressor = QwenRerank(model=str(tiny_model), device="cpu", dtype="float32")
    texts = [document.page_content for document in documents]
    truth = LocalScorer(str(tiny_model), device="cpu", dtype="float32").score("red wine", texts)
    ranked = compressor.compress_documents(documents, "red wine")
    scores = {document.id: document.metadata["relevance_score"] for document in ranked}
    assert scores == pytest.approx(dict(zip("abcd", truth, strict=True)))


class Recorder(BaseCallbackHandler):
    """Keeps each run's name, parent, inputs and outputs."""

    def __init__(self) -> None:
        self.runs: dict[UUID, dict[str, Any]] = {}

    def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
        self.runs[kwargs["run_id"]] = {**kwargs, "inputs": inputs}

    def on_chain_end(self, outputs: Any, **kwargs: Any) -> None:
        self.runs[kwargs["run_id"]]["outputs"] = outputs

    def on_retriever_start(self, serialized: Any, query: str, **kwargs: Any) -> None:
        self.runs[kwargs["run_id"]] = kwargs


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_trace_shows_the_rerank_under_its_retriever(
    store: FAISS, asynchronous: bool
) -> None:
    recorder = Recorder()
    retriever = ContextualCompressionRetriever(
        base_compressor=rerank(top_n=2), base_retriever=store.as_retriever()
    )
    if asynchronous:
        await retriever.ainvoke("red wine", config={"callbacks": [recorder]})
    else:
        retriever.invoke("red wine", config={"callbacks": [recorder]})
    [run] = [run for run in recorder.runs.values() if run.get("name") == "QwenRerank"]
    assert recorder.runs[run["parent_run_id"]]["name"] == "ContextualCompressionRetriever"
    assert run["metadata"]["ls_model_name"] == "FakeScorer"
    assert names(run["outputs"]) == ["d", "a"]


async def test_async_equals_sync_and_leaves_the_loop_free(documents: list[Document]) -> None:
    started, release = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(query: str, document: str) -> float:
        loop.call_soon_threadsafe(started.set)
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(10)
        return 0.5

    task = asyncio.create_task(
        rerank(scorer=FakeScorer(slow)).acompress_documents(documents, "red")
    )
    await asyncio.wait_for(started.wait(), 10)  # the loop runs while the scorer works
    release.set()
    assert names(await task) == list("abcd")
    awaited = await rerank().acompress_documents(documents, "red wine")
    assert awaited == rerank().compress_documents(documents, "red wine")


async def test_many_slow_calls_do_not_starve_the_default_executor(
    documents: list[Document],
) -> None:
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(query: str, document: str) -> float:
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(10)
        return 0.5

    compressor = rerank(scorer=FakeScorer(slow))
    calls = [compressor.acompress_documents(documents[:1], "red") for _ in range(100)]
    tasks = [asyncio.create_task(call) for call in calls]
    assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 10) == "free"
    release.set()
    assert len(await asyncio.gather(*tasks)) == 100


def test_pickle_and_copies_keep_working(documents: list[Document]) -> None:
    compressor = rerank(top_n=2)
    for again in (pickle.loads(pickle.dumps(compressor)), copy.deepcopy(compressor)):
        assert again.top_n == 2
        assert names(again.compress_documents(documents, "red wine")) == ["d", "a"]


def test_objects_of_the_user_are_never_silently_left_out() -> None:
    for settings in ({"scorer": FakeScorer()}, {"document_formatter": repr}):
        written = dumpd(QwenRerank(model="builtin", **settings))
        assert written["type"] == "not_implemented"


def test_dumpd_and_load_keep_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    compressor = QwenRerank(model="builtin", top_n=None, instruction="Find fruit")
    written = json.loads(dumps(compressor))
    assert written == dumpd(compressor)
    monkeypatch.setenv("QWEN_RERANK_SCORE_THRESHOLD", "0.9")  # of the machine that loads
    again = load(written, allowed_objects=[QwenRerank], valid_namespaces=["langchain_qwen_rerank"])
    assert again.model_dump() == compressor.model_dump()


KEY = "sk-very-secret"


def test_the_key_is_nowhere_to_be_seen_and_comes_back_by_its_name() -> None:
    url = f"redis://:{KEY}@127.0.0.1:9"
    compressor = QwenRerank(
        base_url="http://127.0.0.1:9", api_key=SecretStr(KEY), cache_url=SecretStr(url)
    )
    written = dumps(compressor)
    shown = [repr(compressor), str(compressor.model_dump()), written, repr(vars(compressor))]
    assert not [text for text in shown if KEY in text]
    again = load(
        json.loads(written),
        allowed_objects=[QwenRerank],
        valid_namespaces=["langchain_qwen_rerank"],
        secrets_map={"QWEN_RERANK_API_KEY": KEY, "QWEN_RERANK_CACHE_URL": url},
    )
    for kept in (again, pickle.loads(pickle.dumps(compressor))):
        assert kept.api_key.get_secret_value() == KEY
        assert kept.cache_url.get_secret_value() == url


def test_inside_a_compressor_pipeline(documents: list[Document]) -> None:
    pipeline = DocumentCompressorPipeline(transformers=[rerank(top_n=2)])
    assert names(pipeline.compress_documents(documents, "red wine")) == ["d", "a"]


def test_the_cross_encoder_serves_langchains_own_reranker(documents: list[Document]) -> None:
    encoder = QwenCrossEncoder(scorer=FakeScorer())
    pairs = [("red", "red"), ("blue", "red"), ("red", "blue"), ("blue", "blue")]
    assert encoder.score(pairs) == [1.0, 0.0, 0.0, 1.0]
    reranker = CrossEncoderReranker(model=encoder, top_n=2)
    assert names(reranker.compress_documents(documents, "red wine")) == ["d", "a"]
    with pytest.raises(ConfigError, match="unknown setting 'top_n'"):
        QwenCrossEncoder(top_n=3)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="model can't be changed any more"):
        encoder.model = "builtin"
    encoder.instruction = "Find drinks"
    encoder.score([("red", "red")])
    assert isinstance(encoder.scorer, FakeScorer)
    assert encoder.scorer.calls[-1][2] == "Find drinks"


def test_a_formatter_does_not_block_the_event_loop(documents: list[Document]) -> None:
    threads = set()

    def formatter(document: Document) -> str:
        threads.add(threading.current_thread())
        return document.page_content

    compressor = rerank(document_formatter=formatter)
    asyncio.run(compressor.acompress_documents(documents, "red wine"))
    assert threading.main_thread() not in threads


@pytest.mark.parametrize("wrong", ["red wine", [{"page_content": "red wine"}], [None], ["a", 1]])
def test_what_is_no_list_of_documents_is_named(wrong: Any) -> None:
    """A text is a list of letters too."""
    with pytest.raises(InvalidInputError, match="documents must be a list of texts"):
        rerank().rerank(wrong, "red")
