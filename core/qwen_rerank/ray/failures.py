"""Finds the error that an actor raised inside what Ray makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qwen_rerank.errors import QwenRerankError


@contextmanager
def reason_of_failure() -> Iterator[None]:
    """Raise this package's error in place of Ray's, whose text is a traceback of the actor."""
    from ray.exceptions import RayTaskError

    try:
        yield
    except RayTaskError as failure:
        if isinstance(failure.cause, QwenRerankError):
            raise failure.cause from None
        raise
