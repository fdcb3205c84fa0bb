"""What the server counts and times, for Prometheus."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
PAIRS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)
TOKENS = (64, 256, 512, 768, 1024, 1536, 2048, 4096, 8192, 16384)


class Metrics:
    """The metrics of one server; labels are routes and status codes."""

    def __init__(self) -> None:
        self.registry = here = CollectorRegistry()
        self.requests = Counter(
            "rerank_requests", "Requests by route and status code", ["route", "code"], registry=here
        )
        self.queue_items = Gauge(
            "rerank_queue_items", "Documents of requests without results", registry=here
        )
        self.duration = self._seconds(
            "request_duration", "From the request's headers to the end of its response", ["route"]
        )
        self.queue_wait = self._seconds(
            "queue_wait", "From the queue to the first forward pass of a request"
        )
        self.inference = self._seconds("inference", "One forward pass of the model")
        self.batch_pairs = self._per_batch("pairs", "Documents", PAIRS)
        self.batch_tokens = self._per_batch("tokens", "Tokens", TOKENS)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def _seconds(self, name: str, text: str, labels: Sequence[str] = ()) -> Histogram:
        name = f"rerank_{name}_seconds"
        return Histogram(name, text, labels, buckets=SECONDS, registry=self.registry)

    def _per_batch(self, name: str, what: str, buckets: Sequence[int]) -> Histogram:
        text = f"{what} in one forward pass"
        return Histogram(f"rerank_batch_{name}", text, buckets=buckets, registry=self.registry)
