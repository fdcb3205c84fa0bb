"""Learns how fast the model is, to say how long what waits will take."""

from __future__ import annotations

import math

CALL_COST = 2_000
"""What a call takes however little is in it, in the unit of `Job.costs`."""
MEMORY = 0.9
"""How much of what was learnt survives a call."""
SECONDS_PER_CALL = 0.25
"""A newcomer waits for the running call to end: calls are kept about this long."""
LEAST, MOST = 4_000, 1_000_000
"""The smallest and largest call: a pack, below which the model works no faster for it, and
what may lie in memory at once."""


class Pace:
    """Cost per second, from the calls of late."""

    def __init__(self) -> None:
        self._cost = 0.0
        self._seconds = 0.0

    def learn(self, cost: int, seconds: float) -> None:
        """Note one call."""
        self._cost = self._cost * MEMORY + cost + CALL_COST
        self._seconds = self._seconds * MEMORY + seconds

    def seconds(self, cost: int) -> float:
        """How long this much work takes; 0 as long as nothing is known."""
        return cost * self._seconds / self._cost if self._cost else 0.0

    def budget(self) -> int:
        """How much to put into one call."""
        if not self._seconds:
            return LEAST
        return int(min(MOST, max(LEAST, SECONDS_PER_CALL * self._cost / self._seconds)))

    def retry_after(self, cost: int) -> int:
        """Whole seconds after which a client may try again, while this much work waits."""
        return min(60, max(1, math.ceil(self.seconds(cost))))
