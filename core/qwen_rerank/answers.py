"""Checks what a scorer hands back, before anyone ranks or remembers it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qwen_rerank.errors import BadScoresError


def check_scores(scores: Sequence[float], count: int) -> None:
    """Raise BadScoresError unless it is one score in [0, 1] per document."""
    if len(scores) != count:
        raise BadScoresError(f"wanted {count} scores, one per document, got {len(scores)}")
    for place, score in enumerate(scores):
        if not 0 <= score <= 1 or math.isnan(score):
            raise BadScoresError(f"wanted scores in [0, 1], got {score!r} for document {place}")
