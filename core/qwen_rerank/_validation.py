"""Checks arguments before any work is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qwen_rerank.errors import InvalidInputError


def checked_sentence(name: str, sentence: Any) -> str:
    """A query or an instruction, see `checked_text`.

    Raises:
        InvalidInputError: It is not a text, or it is blank.
    """
    text = checked_text(name, sentence)
    if not text.strip():
        raise InvalidInputError(f"{name} must hold a text, it is blank")
    return text


def checked_documents(documents: Any) -> list[str]:
    """The documents, see `checked_text`; empty texts are allowed.

    Raises:
        InvalidInputError: It is not a list of texts; the message names the place.
    """
    check_list("documents", documents)
    return [checked_text("documents", text, place) for place, text in enumerate(documents)]


def checked_text(name: str, text: Any, place: int | None = None) -> str:
    """The text, with U+FFFD in place of lone surrogates, which UTF-8 can't hold.

    Raises:
        InvalidInputError: It is not a text.
    """
    if not isinstance(text, str):
        where = name if place is None else f"{name}[{place}]"
        raise InvalidInputError(f"{where} must be a text, got {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def check_list(name: str, values: Any, of: str = "texts") -> None:
    """Raise InvalidInputError unless it is a list or another sequence; a text is none."""
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise InvalidInputError(f"{name} must be a list of {of}, got {type(values).__name__}")


def check_limits(top_n: int | None, score_threshold: float | None) -> None:
    """Raise InvalidInputError unless both limits are in range or `None`."""
    if top_n is not None and (type(top_n) is not int or top_n < 1):
        raise InvalidInputError(f"top_n must be a whole number from 1, or None, got {top_n!r}")
    if score_threshold is None:
        return
    number = isinstance(score_threshold, int | float) and not isinstance(score_threshold, bool)
    if not number or not 0 <= score_threshold <= 1:
        raise InvalidInputError(
            f"score_threshold must be between 0 and 1, or None, got {score_threshold!r}"
        )
