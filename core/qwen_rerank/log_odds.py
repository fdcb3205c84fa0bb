"""Scores as log-odds."""

from __future__ import annotations

import math

NEAREST = 2.0**-53
"""The smallest distance of a double from 1. Scores nearer to 0 or to 1 than this become equal: a
server that rounds a small score to 0 must not say more than one that rounds a large score to 1."""


def log_odds(score: float) -> float:
    """The logarithm of P("yes") / P("no"), at most 36.7 in size; 0 and 1 have one, too."""
    score = min(max(score, NEAREST), 1 - NEAREST)
    return math.log(score) - math.log1p(-score)
