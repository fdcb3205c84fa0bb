"""Counts the tokens of a text."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from qwen_rerank.errors import ConfigError, MissingDependencyError, ModelLoadError
from qwen_rerank.settings import VARIABLE
from qwen_rerank.token_size import DENSE_BYTES_PER_TOKEN

CountTokens = Callable[[str], int]

logger = logging.getLogger(__name__)


def choose_counter(count: CountTokens | None, model: str | None) -> CountTokens:
    """The token counter of a splitter.

    Args:
        count: The caller's own function.
        model: A model whose tokenizer counts. Where neither is given, it is the model in
            `QWEN_RERANK_MODEL` if that is on this machine, else `estimated_tokens`.

    Raises:
        ConfigError: Both are given.
        ModelLoadError: The given model is not on this machine.
    """
    if count is not None and model is not None:
        raise ConfigError("a splitter takes count or model, got both")
    if count is not None or model is not None:
        return count or token_counter(str(model))
    known = os.environ.get(f"{VARIABLE}MODEL", "").strip()
    try:
        return token_counter(known) if known else estimated_tokens
    except (ModelLoadError, MissingDependencyError) as error:
        logger.info("tokens are estimated: %s", error)
        return estimated_tokens


def estimated_tokens(text: str) -> int:
    """An estimate without a tokenizer: rather high for prose, rather low for markup."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // DENSE_BYTES_PER_TOKEN)


def token_counter(model: str) -> CountTokens:
    """A counter that uses the tokenizer of a reranker on this machine.

    Args:
        model: A hub id that was downloaded, a folder, or `"builtin"`.

    Raises:
        ModelLoadError: The model is not on this machine; use `estimated_tokens`.
        MissingDependencyError: The extra `local` is not installed.
    """
    from qwen_rerank.scorers.local.hub import find_model

    folder = find_model(model, download=False)
    from qwen_rerank.scorers.local.model_folder import read_tokenizer

    tokenizer = read_tokenizer(folder)
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
