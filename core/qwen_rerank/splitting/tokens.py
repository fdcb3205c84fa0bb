"""How long a text is to a reranker."""

from __future__ import annotations

from collections.abc import Callable

CountTokens = Callable[[str], int]

BYTES_PER_TOKEN = 3
"""Fewer than a token of Qwen3 holds in English or Chinese prose, to be safe."""


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
    from qwen_rerank.local.hub import find_model

    folder = find_model(model, download=False)
    from qwen_rerank.local.checkpoint import read_tokenizer

    tokenizer = read_tokenizer(folder)
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
