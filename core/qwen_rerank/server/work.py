"""The size of a request."""

from __future__ import annotations

from collections.abc import Sequence

from qwen_rerank.throughput import Work
from qwen_rerank.token_size import BYTES_PER_TOKEN
from qwen_rerank.types import Scores

PROMPT_TOKENS = 80
"""Of the prompt around a query."""


def estimated_work(query: str, documents: Sequence[str]) -> Work:
    """What the model has to do, before the request is tokenised.

    It reads the query once, and each distinct document.
    """
    size = _bytes(query) + sum(map(_bytes, dict.fromkeys(documents)))
    return Work(len(documents), PROMPT_TOKENS + size // BYTES_PER_TOKEN)


def prompt_tokens(scores: Sequence[Scores], query: str, documents: Sequence[str]) -> int:
    """The tokens of all prompts, as the scorer counted them; an estimate if it does not count."""
    counted = [one.tokens for one in scores]
    if None in counted:
        return _estimated_prompt_tokens(query, documents)
    return sum(tokens for tokens in counted if tokens is not None)


def _estimated_prompt_tokens(query: str, documents: Sequence[str]) -> int:
    """Each distinct document has a prompt of its own, with the query in it."""
    distinct = set(documents)
    size = len(distinct) * _bytes(query) + sum(map(_bytes, distinct))
    return len(distinct) * PROMPT_TOKENS + size // BYTES_PER_TOKEN


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
