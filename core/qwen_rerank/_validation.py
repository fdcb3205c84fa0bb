"""Checks what a caller hands in, before any work is done."""

from __future__ import annotations

from collections.abc import Sequence

from qwen_rerank.errors import InvalidInputError


def check_query(query: str, instruction: str | None) -> None:
    """Raise InvalidInputError unless both are texts with something in them."""
    check_text("query", query)
    if not query.strip():
        raise InvalidInputError("query must hold a text, it is blank")
    if instruction is None:
        return
    check_text("instruction", instruction)
    if not instruction.strip():
        raise InvalidInputError("instruction must hold a text or be None, it is blank")


def check_queries(
    queries: Sequence[str],
    documents_per_query: Sequence[Sequence[str]],
    instruction: str | None,
) -> None:
    """Raise InvalidInputError unless there is a list of documents for each query."""
    for name, many in (("queries", queries), ("documents_per_query", documents_per_query)):
        if isinstance(many, str | bytes) or not isinstance(many, Sequence):
            raise InvalidInputError(f"{name} must be a list, got {type(many).__name__}")
    if len(queries) != len(documents_per_query):
        raise InvalidInputError(
            f"wanted one list of documents for each of {len(queries)} queries, "
            f"got {len(documents_per_query)}"
        )
    for query, documents in zip(queries, documents_per_query, strict=True):
        check_query(query, instruction)
        check_documents(documents)


def check_phrasings(queries: Sequence[str], instruction: str | None) -> None:
    """Raise InvalidInputError unless there is at least one, and each is right."""
    if isinstance(queries, str | bytes) or not isinstance(queries, Sequence) or not queries:
        raise InvalidInputError(f"queries must be a list of at least one text, got {queries!r:.80}")
    for query in queries:
        check_query(query, instruction)


def check_documents(documents: Sequence[str]) -> None:
    """Raise InvalidInputError unless it is a sequence of texts; empty ones are fine."""
    if isinstance(documents, str | bytes) or not isinstance(documents, Sequence):
        raise InvalidInputError(
            f"documents must be a list of texts, got {type(documents).__name__}"
        )
    for place, document in enumerate(documents):
        check_text(f"documents[{place}]", document)


def check_limits(top_n: int | None, score_threshold: float | None) -> None:
    """Raise InvalidInputError unless both limits are usable or None."""
    if top_n is not None and (type(top_n) is not int or top_n < 1):
        raise InvalidInputError(f"top_n must be a whole number from 1, or None, got {top_n!r}")
    if score_threshold is None:
        return
    number = isinstance(score_threshold, int | float) and not isinstance(score_threshold, bool)
    if not number or not 0 <= score_threshold <= 1:
        raise InvalidInputError(
            f"score_threshold must lie in [0, 1], as scores do, or be None, got {score_threshold!r}"
        )


def check_text(name: str, text: str) -> None:
    """Raise InvalidInputError unless it is a text that UTF-8 can hold."""
    if not isinstance(text, str):
        raise InvalidInputError(f"{name} must be a text, got {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"{name} is no valid Unicode text: a lone surrogate at character {error.start}"
        ) from None
