"""The one time limit of a call, shared by everything that is done for it."""

from __future__ import annotations

import time
from dataclasses import dataclass

LONGEST = 86400.0
"""Seconds; a day, which every clock and socket can count."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock at which every wait ends."""

    ends: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The deadline that many seconds from now."""
        return cls(time.monotonic() + seconds)

    def left(self) -> float:
        """Seconds until then; never below 0."""
        return max(0.0, self.ends - time.monotonic())

    def within(self, seconds: float) -> Deadline:
        """This deadline, or that many seconds from now if it is sooner."""
        return Deadline(min(self.ends, time.monotonic() + seconds))

    def before(self, moment: float | None) -> Deadline:
        """This deadline, or that moment if it is sooner; `None` is never."""
        return self if moment is None else Deadline(min(self.ends, moment))
