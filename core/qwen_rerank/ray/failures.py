"""Finds the error that an actor raised inside what Ray makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qwen_rerank.errors import QwenRerankError


@contextmanager
def reason_of_failure() -> Iterator[None]:
    """Raise this package's error in place of Ray's, whose text is a traceback of the actor."""
    from ray.exceptions import RayError

    try:
        yield
    except RayError as failure:
        reason = _reason(failure)
        if reason is None:
            raise
        raise reason from None


def _reason(failure: BaseException | None) -> QwenRerankError | None:
    while failure is not None:
        if isinstance(failure, QwenRerankError) and type(failure).__module__.startswith("qwen"):
            return failure
        failure = getattr(failure, "cause", None) or failure.__cause__
    return None
