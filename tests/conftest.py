"""What many tests share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # nothing may need a hub; read by the imports below, once
os.environ["TOKENIZERS_PARALLELISM"] = "true"

import pytest
from hypothesis import HealthCheck, settings
from tokenizers import Tokenizer

from tests.portal import serving_a_portal
from tests.qwen3.models import save_causal
from tests.qwen3.tokenizer import build_tokenizer

# a slow machine is no failure, and the same examples each time make a red run the change's doing
settings.register_profile(
    "patient", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets seconds pass on the monotonic clock, without waiting for them."""

    def move(seconds: float) -> None:
        now = time.monotonic
        monkeypatch.setattr(time, "monotonic", lambda: now() + seconds)

    return move


@pytest.fixture(scope="session")
def qwen3_tokenizer() -> Tokenizer:
    """The true Qwen3 vocabulary."""
    return build_tokenizer()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory, qwen3_tokenizer: Tokenizer) -> Path:
    """A small random reranker with the true vocabulary and tied embeddings."""
    return save_causal(tmp_path_factory.mktemp("tiny"), qwen3_tokenizer)


@pytest.fixture
def portal() -> Iterator[str]:
    """The URL of a server that answers everything with a web page."""
    with serving_a_portal() as url:
        yield url


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own QWEN_RERANK_* variables must not change a test."""
    for name in list(os.environ):
        if name.startswith("QWEN_RERANK_") and not name.startswith("QWEN_RERANK_TEST_"):
            monkeypatch.delenv(name)
