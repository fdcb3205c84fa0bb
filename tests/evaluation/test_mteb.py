"""MTEB runs its own mock reranking tasks with the wrapper."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import mteb
import pytest
from mteb.mocks.mock_tasks.reranking import (
    MockInstructionReranking,
    MockMultilingualInstructionReranking,
    MockMultilingualRerankingTask,
    MockRerankingTask,
)
from mteb.mocks.mock_tasks.retrieval import MockRetrievalTask
from mteb.models import CrossEncoderProtocol

from qwen_rerank import ScorerUnavailableError
from qwen_rerank.evaluation.mteb import MTEBReranker
from qwen_rerank.testing import FakeScorer

TASKS = [
    MockRerankingTask,
    MockMultilingualRerankingTask,
    MockInstructionReranking,
    MockMultilingualInstructionReranking,
]


def evaluated(model: MTEBReranker, task: Any) -> Any:
    [result] = mteb.evaluate(model, task, cache=None, show_progress_bar=False).task_results
    return result


@pytest.mark.parametrize("task", TASKS)
def test_a_mock_task_runs_on_the_builtin_model(task: Any) -> None:
    result = evaluated(MTEBReranker("builtin"), task())
    assert 0 < result.get_score() <= 1


def test_the_wrapper_is_what_mteb_calls_a_cross_encoder() -> None:
    assert isinstance(MTEBReranker("builtin"), CrossEncoderProtocol)


def test_the_documents_of_a_query_are_scored_together_with_its_instruction() -> None:
    scorer = FakeScorer()
    evaluated(MTEBReranker("builtin", scorer=scorer), MockInstructionReranking())
    assert [(query, instruction) for query, _, instruction in scorer.calls] == [
        ("This is a test sentence", "This is a test instruction"),
        ("This is another test sentence", "This is another test instruction"),
    ]
    assert [len(documents) for _, documents, _ in scorer.calls] == [2, 2]


def test_scores_come_in_the_order_of_the_pairs() -> None:
    queries = [{"text": ["red", "blue", "red"]}, {"text": ["red"]}]
    documents = [{"text": ["blue", "blue", "red"]}, {"text": ["sky"]}]
    scores = MTEBReranker("builtin", scorer=FakeScorer()).predict(queries, documents)
    assert scores.tolist() == [0, 1, 1, 0]


def test_an_instruction_of_the_settings_is_for_tasks_without_one() -> None:
    scorer = FakeScorer()
    model = MTEBReranker("builtin", scorer=scorer, instruction="Find it")
    evaluated(model, MockRerankingTask())
    assert {instruction for _, _, instruction in scorer.calls} == {"Find it"}


def test_a_retrieval_task_is_reranked_after_another_model(tmp_path: Path) -> None:
    """As docs/evaluation.md shows it for BEIR."""
    task, first = MockRetrievalTask(), mteb.get_model("mteb/baseline-random-encoder")
    mteb.evaluate(first, task, cache=None, prediction_folder=tmp_path, show_progress_bar=False)
    scorer = FakeScorer()
    reranking = task.convert_to_reranking(tmp_path, top_k=2)
    evaluated(MTEBReranker("builtin", scorer=scorer), reranking)
    assert {len(documents) for _, documents, _ in scorer.calls} == {2}


def test_an_outage_is_no_result() -> None:
    scorer = FakeScorer(error=ScorerUnavailableError("the server is down"))
    with pytest.raises(ScorerUnavailableError):
        evaluated(MTEBReranker("builtin", scorer=scorer), MockRerankingTask())


def test_a_missing_mteb_is_named() -> None:
    code = "import sys; sys.modules['mteb'] = None; import qwen_rerank.evaluation.mteb"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'pip install ".[mteb]"' in done.stderr


def test_results_of_other_settings_are_kept_apart_and_hold_no_key() -> None:
    plain = MTEBReranker("Qwen/Qwen3-Reranker-0.6B").mteb_model_meta
    other = MTEBReranker("builtin", max_length=512, api_key="secret").mteb_model_meta
    assert (plain.name, plain.experiment_kwargs) == ("Qwen/Qwen3-Reranker-0.6B", {})
    assert (other.name, other.experiment_kwargs) == ("qwen-rerank/builtin", {"max_length": 512})
