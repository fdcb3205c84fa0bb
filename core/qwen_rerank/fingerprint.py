"""What tells one scorer's scores from any other's."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from qwen_rerank.errors import ConfigError


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
    """The scorer's own fingerprint; of one that has none, its `repr`.

    Raises:
        ConfigError: It has neither, see `check_fingerprint`.
    """
    check_fingerprint(scorer)
    return scorer.fingerprint() if isinstance(scorer, Fingerprinted) else repr(scorer)


def check_fingerprint(scorer: object) -> None:
    """Refuse a scorer that shows only its address, which the next object may get.

    Raises:
        ConfigError: Nothing but its place in memory tells it from others of its kind.
    """
    if not isinstance(scorer, Fingerprinted) and type(scorer).__repr__ is object.__repr__:
        raise ConfigError(
            f"{type(scorer).__name__} has neither fingerprint() nor a repr of its own to tell "
            "its scores from another's: give CachedScorer an identity"
        )
