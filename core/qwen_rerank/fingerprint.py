"""What tells one scorer's scores from any other's."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Fingerprinted(Protocol):
    """A scorer that knows more about its scores than its `repr` shows."""

    def fingerprint(self) -> str:
        """A text that differs where scores may: model, revision, number format, prompt ...

        Raises:
            ScorerError: The model that gives the scores could not be had.
        """
        ...


def fingerprint_of(scorer: object) -> str:
    """The scorer's own fingerprint; of one that has none, its `repr`."""
    return scorer.fingerprint() if isinstance(scorer, Fingerprinted) else repr(scorer)
