"""What the server counts, in Prometheus' terms."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
PAIRS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)
TOKENS = (64, 256, 512, 768, 1024, 1536, 2048, 4096, 8192, 16384)


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
        self.queue_items = Gauge(
            "rerank_queue_items", "Documents of requests without results", registry=here
        )
        self.queue_wait = Histogram(
            "rerank_queue_wait_seconds",
            "From the queue to the first forward pass of a request",
            buckets=SECONDS,
            registry=here,
        )
        self.inference = Histogram(
            "rerank_inference_seconds",
            "One forward pass of the model",
            buckets=SECONDS,
            registry=here,
        )
        self.batch_pairs = Histogram(
            "rerank_batch_pairs", "Documents in one forward pass", buckets=PAIRS, registry=here
        )
        self.batch_tokens = Histogram(
            "rerank_batch_tokens",
            "Tokens in one forward pass",
            buckets=TOKENS,
            registry=here,
        )

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self.registry)
