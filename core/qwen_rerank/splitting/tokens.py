"""How long a text is to a reranker."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from qwen_rerank.errors import ConfigError, MissingDependencyError, ModelLoadError
from qwen_rerank.settings import VARIABLE

CountTokens = Callable[[str], int]

BYTES_PER_TOKEN = 3
"""Fewer than a token of Qwen3 holds in English or Chinese prose, to be safe."""

logger = logging.getLogger(__name__)


def choose_counter(count: CountTokens | None, model: str | None) -> CountTokens:
    """What a splitter counts with: what it was given, else what is known.

    Args:
        count: A function of the caller's.
        model: A model that counts by its own tokenizer. Where neither is given, the model in
            `QWEN_RERANK_MODEL` does if it is on this machine, and else a guess.

    Raises:
        ConfigError: Both are given.
        ModelLoadError: The given model is not on this machine.
    """
    if count is not None and model is not None:
        raise ConfigError("give a splitter count or model, not both")
    if count is not None or model is not None:
        return count or token_counter(str(model))
    known = os.environ.get(f"{VARIABLE}MODEL", "").strip()
    try:
        return token_counter(known) if known else estimated_tokens
    except (ModelLoadError, MissingDependencyError) as error:
        logger.info("tokens are guessed: %s", error)
        return estimated_tokens


def estimated_tokens(text: str) -> int:
    """A guess that needs no tokenizer; of prose it rather counts too many, of markup too few."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def token_counter(model: str) -> CountTokens:
    """Counts by the tokenizer of a reranker that is on this machine.

    Args:
        model: A hub id that was downloaded, a folder, or `"builtin"`.

    Raises:
        ModelLoadError: It is not here; use `estimated_tokens`.
        MissingDependencyError: The extra `local` is not installed.
    """
    from qwen_rerank.scorers.local.hub import find_model

    folder = find_model(model, download=False)
    from qwen_rerank.scorers.local.checkpoint import read_tokenizer

    tokenizer = read_tokenizer(folder)
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
