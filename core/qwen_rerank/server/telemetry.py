"""What the server counts, in Prometheus' terms."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
PAIRS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)
BYTES = (1e3, 4e3, 1.6e4, 6.4e4, 2.56e5, 1.024e6)


class Metrics:
    """One server's counters; labels hold routes and codes, never a user's text."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        here = self.registry
        self.requests = Counter(
            "rerank_requests", "Requests by route and HTTP code", ["route", "code"], registry=here
        )
        self.duration = Histogram(
            "rerank_request_duration_seconds",
            "From the request's arrival to its answer",
            ["route"],
            buckets=SECONDS,
            registry=here,
        )
        self.queue_items = Gauge("rerank_queue_items", "Documents that wait", registry=here)
        self.queue_wait = Histogram(
            "rerank_queue_wait_seconds",
            "From a request's arrival to its first document's turn",
            buckets=SECONDS,
            registry=here,
        )
        self.inference = Histogram(
            "rerank_inference_seconds", "One call of the model", buckets=SECONDS, registry=here
        )
        self.batch_pairs = Histogram(
            "rerank_batch_pairs", "Documents in one call of the model", buckets=PAIRS, registry=here
        )
        self.batch_cost = Histogram(
            "rerank_batch_cost",
            "Bytes of text in one call, prompts included",
            buckets=BYTES,
            registry=here,
        )

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self.registry)
