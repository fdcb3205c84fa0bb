"""What many tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from tests.qwen3.models import save_causal
from tests.qwen3.tokenizer import build_tokenizer

os.environ["HF_HUB_OFFLINE"] = "1"  # nothing may need a hub
os.environ["TOKENIZERS_PARALLELISM"] = "true"


@pytest.fixture(scope="session")
def qwen3_tokenizer() -> Tokenizer:
    """The true Qwen3 vocabulary."""
    return build_tokenizer()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory, qwen3_tokenizer: Tokenizer) -> Path:
    """A small random reranker with the true vocabulary and tied embeddings."""
    return save_causal(tmp_path_factory.mktemp("tiny"), qwen3_tokenizer)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own QWEN_RERANK_* variables must not change a test."""
    for name in list(os.environ):
        if name.startswith("QWEN_RERANK_") and not name.startswith("QWEN_RERANK_TEST_"):
            monkeypatch.delenv(name)
