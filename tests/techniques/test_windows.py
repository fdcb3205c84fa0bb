"""Long documents by their best window: where it helps, and where it changes nothing."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from langchain_core.documents import Document
from llama_index.core.schema import NodeWithScore, TextNode
from torch.nn.modules.module import register_module_forward_pre_hook

import langchain_qwen_rerank
import llama_index_qwen_rerank
from qwen_rerank import (
    ConfigError,
    InvalidInputError,
    LocalScorer,
    RerankRequest,
    Scores,
    WindowScorer,
    load,
)
from qwen_rerank.call import BatchReport, Call
from qwen_rerank.scorers.local.hub import BUILTIN_FOLDER
from qwen_rerank.scorers.local.model_folder import read_tokenizer
from qwen_rerank.splitting import token_counter

QUERY = "How long does a refund for damaged goods take?"
ANSWER = "A refund for damaged goods takes five working days."
TALK = "The office garden was planted in spring and is open to everyone at lunch. " * 12
SHORT = ["Delivery takes three days.", "", "退款需要五个工作日。", "A refund takes a week."]
LENGTH = 160


def scores(
    kind: type[LocalScorer], documents: list[str], model: str = "builtin"
) -> tuple[list[float], set[int]]:
    """The scores, and the places of the truncated documents."""
    scorer = kind(model, device="cpu", max_length=LENGTH)
    [outcome] = scorer.score_batch([RerankRequest(QUERY, documents)])
    assert isinstance(outcome, Scores)
    found = enumerate(outcome.documents)
    return [d.score or 0.0 for d in outcome.documents], {i for i, d in found if d.truncated}


@pytest.mark.parametrize("place", ["end", "middle"])
def test_the_answer_behind_the_cut_is_found(place: str) -> None:
    """Where it helps: a cut reads none of it."""
    long = f"{TALK}{ANSWER}" if place == "end" else f"{TALK}{ANSWER} {TALK}"
    documents = [TALK, long, SHORT[0]]
    (cut, cut_places), (whole, places) = (scores(k, documents) for k in (LocalScorer, WindowScorer))
    assert cut[1] == pytest.approx(cut[0], abs=1e-5)
    assert whole[1] == max(whole)
    assert whole[1] > 10 * cut[1]
    assert (cut_places, places) == ({0, 1}, set())


def test_documents_that_fit_keep_their_scores_to_the_last_digit(tiny_model: Path) -> None:
    """Where it must change nothing; long neighbours included."""
    for documents in (SHORT, [*SHORT, TALK], [TALK, *SHORT, TALK + ANSWER]):
        for model in ("builtin", str(tiny_model)):
            plain, truncated = scores(LocalScorer, documents, model)
            best, _ = scores(WindowScorer, documents, model)
            fits = [i for i in range(len(documents)) if i not in truncated]
            assert [best[i] for i in fits] == [plain[i] for i in fits]
            assert all(after >= before for after, before in zip(best, plain, strict=True))


def test_the_score_is_the_best_of_the_windows(tiny_model: Path) -> None:
    """By hand: 40 tokens of a document fit beside 69 of the question and 9 of the suffix."""
    words = random.Random(0).choices(("red", "blue", "green", "one", "two"), k=97)
    assert token_counter(str(tiny_model))(" " + " ".join(words)) == 97
    windows = [" ".join(words[i : i + 40]) for i in (0, 30, 57)]
    query = "What is the capital of China?"
    plain = LocalScorer(str(tiny_model), device="cpu").score(query, windows)
    best = WindowScorer(str(tiny_model), device="cpu", max_length=118)
    assert best.score(query, [" ".join(words)]) == pytest.approx([max(plain)], abs=1e-6)


def test_a_long_query_makes_no_thousands_of_windows(tiny_model: Path) -> None:
    """In 30 tokens of room; what fits there is scored as ever."""
    query = "What is the capital of China?"
    best = WindowScorer(str(tiny_model), device="cpu", max_length=108)
    assert len(best.score(query, ["Beijing"])) == 1
    with pytest.raises(InvalidInputError, match="windows of at least 32 tokens"):
        best.score(query, ["red blue " * 500])


def test_a_window_without_memory_leaves_its_document_without_a_score() -> None:
    """The best part may be the one that was not read. Other documents keep their scores."""
    tokenizer = read_tokenizer(BUILTIN_FOLDER)
    ids = {text: set(tokenizer.encode(text).ids) for text in (QUERY, TALK, *SHORT, " zebra")}
    poison = torch.tensor(sorted(ids.pop(" zebra") - set().union(*ids.values())))
    assert len(poison)

    def scarce(module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        if isinstance(module, torch.nn.Embedding) and torch.isin(given[0], poison).any():
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    scorer = WindowScorer("builtin", device="cpu", max_length=LENGTH)
    documents = [SHORT[0], f"{TALK} zebra {TALK}", TALK]
    plain = scorer.score(QUERY, [SHORT[0], TALK])
    hook = register_module_forward_pre_hook(scarce)
    try:
        [outcome] = scorer.score_batch([RerankRequest(QUERY, documents)])
    finally:
        hook.remove()
    assert isinstance(outcome, Scores)
    assert "no memory" in str(outcome.documents[1].reason)
    assert [outcome.documents[place].score for place in (0, 1, 2)] == [
        pytest.approx(plain[0], abs=1e-6),
        None,
        pytest.approx(plain[1], abs=1e-6),
    ]


def test_reports_count_a_long_document_once() -> None:
    """Such as those of a progress bar."""
    reports: list[BatchReport] = []
    scorer = WindowScorer("builtin", device="cpu", max_length=LENGTH)
    with Call(on_batch=reports.append).active():
        scorer.score(QUERY, [*SHORT, TALK, TALK + ANSWER])
    assert sum(report.documents for report in reports) == len(SHORT) + 2


def test_the_tokens_of_all_windows_count() -> None:
    scorer = WindowScorer("builtin", device="cpu", max_length=LENGTH)
    cut = LocalScorer("builtin", device="cpu", max_length=LENGTH)
    [read], [start] = (s.score_batch([RerankRequest(QUERY, [TALK])]) for s in (scorer, cut))
    assert isinstance(read, Scores)
    assert isinstance(start, Scores)
    assert start.tokens == LENGTH
    assert (read.tokens or 0) > LENGTH
    assert (read.tokens or 0) % LENGTH == 0


def langchain_best(settings: dict[str, Any]) -> str:
    documents = [Document(page_content=text) for text in (SHORT[0], TALK, TALK + ANSWER)]
    found = langchain_qwen_rerank.QwenRerank(**settings).compress_documents(documents, QUERY)
    assert "rerank_truncated" not in found[0].metadata
    return found[0].page_content


def llama_index_best(settings: dict[str, Any]) -> str:
    nodes = [NodeWithScore(node=TextNode(text=text)) for text in (SHORT[0], TALK, TALK + ANSWER)]
    adapter = llama_index_qwen_rerank.QwenRerank(**settings)
    return str(adapter.postprocess_nodes(nodes, query_str=QUERY)[0].node.get_content())


@pytest.mark.parametrize("best", [langchain_best, llama_index_best])
def test_both_adapters_reach_it(best: Callable[[dict[str, Any]], str]) -> None:
    settings = {"model": "builtin", "max_length": LENGTH, "long_documents": "best_window"}
    assert best(settings) == TALK + ANSWER


def test_settings() -> None:
    assert isinstance(load(model="builtin", cache_ttl=0).scorer, LocalScorer)
    made = load(model="builtin", cache_ttl=0, long_documents="best_window").scorer
    assert isinstance(pickle.loads(pickle.dumps(made)), WindowScorer)
    with pytest.raises(ConfigError, match="on the server"):
        load(base_url="http://localhost:1", long_documents="best_window")
    with pytest.raises(ConfigError, match="long_documents"):
        load(long_documents="longest")  # type: ignore[arg-type]
