"""Servers that others wrote, in front of ours or instead of it, with a tiny model.

LiteLLM: `pip install "litellm[proxy]"` into an environment of its own, and name its program
in QWEN_RERANK_TEST_LITELLM. Infinity: the same with `infinity-emb[server,torch]` and
QWEN_RERANK_TEST_INFINITY_EMB.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from qwen_rerank import (
    BadScoresError,
    LocalScorer,
    RemoteRejectedError,
    RemoteScorer,
    ScorerUnavailableError,
)
from tests.qwen3.models import convert_to_classifier
from tests.remote.fault_server import Received
from tests.remote.foreign import free_port, program, started
from tests.remote.servers import Reply, Server, at, running

pytestmark = pytest.mark.foreign

QUERY = "What is the capital of China?"
DOCUMENTS = ["The capital of China is Beijing.", "", "Gravity is a force.", "北京 🙂", "Gravity!"]
KEY = "sk-foreign-0123456789"


@contextmanager
def local_model_as_vllm(folder: Path) -> Iterator[Server]:
    scorer = LocalScorer(str(folder), device="cpu", dtype="float32")

    def answer(received: Received) -> Reply:
        scores = scorer.score(
            received.body["query"], received.documents, instruction=received.body.get("instruction")
        )
        best_first = sorted(enumerate(scores), key=lambda pair: -pair[1])
        results = [{"index": i, "relevance_score": s} for i, s in best_first]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return 200, {"id": "x", "model": "tiny", "usage": usage, "results": results}

    with running(at({"/rerank": answer, "/v1/rerank": answer})) as server:
        yield server


def litellm_config(url: str) -> str:
    """JSON is YAML; the second model's server does not exist."""
    models = [
        {
            "model_name": name,
            "litellm_params": {"model": f"hosted_vllm/{name}", "api_base": base, "api_key": "x"},
        }
        for name, base in (("tiny", url), ("gone", "http://127.0.0.1:9"))
    ]
    return json.dumps({"model_list": models, "general_settings": {"master_key": KEY}})


@pytest.fixture(scope="module")
def behind_litellm(
    tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, LocalScorer]]:
    folder = tmp_path_factory.mktemp("litellm")
    port = free_port()
    with local_model_as_vllm(tiny_model) as server:
        (folder / "config.yaml").write_text(litellm_config(server.url))
        command = [program("litellm"), "--config", "config.yaml", "--host", "127.0.0.1"]
        with started(
            [*command, "--port", str(port)], port, "/health/liveliness", folder / "log"
        ) as url:
            yield url, LocalScorer(str(tiny_model), device="cpu", dtype="float32")


@pytest.mark.parametrize("dialect", ["auto", "litellm"])
def test_litellm_passes_scores_and_instructions_on(
    behind_litellm: tuple[str, LocalScorer], dialect: str
) -> None:
    url, local = behind_litellm
    scorer = RemoteScorer(url, "tiny", api_key=KEY, dialect=dialect, canary=False)
    for task in (None, "Find the passage"):
        expected = local.score(QUERY, DOCUMENTS, instruction=task)
        assert scorer.score(QUERY, DOCUMENTS, instruction=task) == pytest.approx(expected, abs=1e-6)


@pytest.fixture(scope="module")
def infinity(
    tiny_model: Path, qwen3_tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """It takes a conversion to sequence classification only, and applies no template."""
    command = [program("infinity_emb"), "v2", "--engine", "torch", "--device", "cpu"]
    folder = tmp_path_factory.mktemp("infinity")
    convert_to_classifier(tiny_model, folder, qwen3_tokenizer, 1)
    (folder / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<|endoftext|>"}'
    )
    port = free_port()
    options = ["--no-bettertransformer", "--no-model-warmup", "--host", "127.0.0.1"]
    options += ["--model-id", str(folder), "--api-key", KEY, "--port", str(port)]
    with started([*command, *options], port, "/health", folder / "log") as url:
        yield url


@pytest.mark.parametrize("dialect", ["auto", "infinity"])
def test_infinity_ranks(infinity: str, dialect: str) -> None:
    settings: dict[str, Any] = {"api_key": KEY, "dialect": dialect, "timeout": 30.0}
    documents = [d for d in DOCUMENTS if d] * 20  # 80 of them, equal ones among them
    scores = RemoteScorer(infinity, "any", canary=False, **settings).score(QUERY, documents)
    assert len(set(scores)) == 4
    assert scores == pytest.approx(scores[:4] * 20, abs=1e-4)
    with pytest.raises(RemoteRejectedError, match="answered 401"):
        RemoteScorer(infinity, "any", **{**settings, "api_key": "sk-wrong"}).score("q", ["d"])


def test_the_canary_tells_that_infinity_applies_no_template(infinity: str) -> None:
    scorer = RemoteScorer(infinity, "Qwen/Qwen3-Reranker-0.6B", api_key=KEY, timeout=30.0)
    with pytest.raises(BadScoresError, match="fails the canary"):
        scorer.score(QUERY, DOCUMENTS)


def test_litellms_errors_are_typed(behind_litellm: tuple[str, LocalScorer]) -> None:
    url, _ = behind_litellm
    settings: dict[str, Any] = {"dialect": "litellm", "canary": False, "timeout": 20.0}
    with pytest.raises(RemoteRejectedError, match=r"answered 40[01]"):
        RemoteScorer(url, "tiny", api_key="sk-wrong", **settings).score("q", ["d"])
    with pytest.raises(RemoteRejectedError, match=r"answered 40[04]"):
        RemoteScorer(url, "unknown", api_key=KEY, **settings).score("q", ["d"])
    with pytest.raises(ScorerUnavailableError, match="answered 5"):
        RemoteScorer(url, "gone", api_key=KEY, **settings).score("q", ["d"])
