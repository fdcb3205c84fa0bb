"""The figures of the feedback, for Prometheus."""

from __future__ import annotations

import math

from prometheus_client import CollectorRegistry, Gauge

from qwen_rerank.feedback import Statistics

RERANKED, ORIGINAL = "reranked", "original"


class FeedbackGauges:
    """Totals since the file was made.

    They are gauges and not counters, because later feedback replaces earlier feedback. The label
    `order` says whether the documents were reranked.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, labels: tuple[str, ...] = ("order",)) -> Gauge:
            return Gauge(f"rerank_feedback_{name}", text, labels, registry=registry)

        self.up = gauge("up", "Whether the feedback file could be read just now", ())
        self.lost = gauge("lost", "Rankings that could not be kept, since the start", ())
        self.judged = gauge("judged", "Reranks whose relevant documents are known", ())
        self.hits = gauge("hits", "Judged ones with a relevant document in the top 3")
        self.hit_rate = gauge("hit_rate", "Their share of the judged ones")
        self.answers = gauge("answers", "Answers of which it is known whether they were adopted")
        self.adopted = gauge("adopted", "Adopted answers")
        self.adoption_rate = gauge("adoption_rate", "Their share of the known ones")

    def show(self, statistics: Statistics) -> None:
        """Take over these statistics; a rate of nothing is no number."""
        self.up.set(1)
        self.judged.set(statistics.judged)
        _both(self.hits, statistics.hits, statistics.hits_before)
        _both(self.hit_rate, statistics.hit_rate, statistics.hit_rate_before)
        _both(self.answers, statistics.answers, statistics.answers_before)
        _both(self.adopted, statistics.adopted, statistics.adopted_before)
        _both(self.adoption_rate, statistics.adoption_rate, statistics.adoption_rate_before)


def _both(gauge: Gauge, reranked: float | None, original: float | None) -> None:
    for order, value in ((RERANKED, reranked), (ORIGINAL, original)):
        gauge.labels(order).set(math.nan if value is None else value)
