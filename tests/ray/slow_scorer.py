"""A scorer that replicas can import, and that takes its time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qwen_rerank.testing import word_overlap


@dataclass
class SlowScorer:
    """Scores by words in common."""

    seconds: float = 0.0
    """How long each call takes."""
    ill: Path | None = None
    """While this file is there, each call fails."""

    def score(
        self, query: str, documents: Sequence[str], *, instruction: str | None = None
    ) -> list[float]:
        time.sleep(self.seconds)
        if self.ill is not None and self.ill.exists():
            raise RuntimeError("the device is gone")
        return [word_overlap(query, document) for document in documents]
