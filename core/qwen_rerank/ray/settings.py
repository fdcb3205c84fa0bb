"""What the Ray Serve application takes, and what a bulk job takes."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from qwen_rerank.reranker import OnError
from qwen_rerank.server.settings import ServerSettings
from qwen_rerank.settings import RerankerSettings

ONE_SERVER_ONLY = {
    "ui": "the page keeps its sessions in one process",
    "feedback": "each replica would keep a file of its own; record feedback in the pipeline",
    "base_url": "a replica scores in its own process",
}
"""Settings that several replicas can't share, and why."""


class FleetSettings(ServerSettings):
    """The settings of the server, and how many replicas of it there are.

    Where to listen and how many connections to keep is set for Serve, not here. Whatever else
    Serve knows, such as delays of autoscaling, goes into the `deployments` of its config file.
    """

    ui: bool = False
    """Always off: the page belongs to one server, `qwen-rerank serve`."""
    replicas: int = Field(default=1, ge=1)
    """How many replicas there are; with `max_replicas`, the fewest."""
    max_replicas: int | None = Field(default=None, ge=1)
    """Up to so many replicas while requests wait; `None` keeps `replicas`."""
    num_cpus: float = Field(default=1.0, ge=0)
    """Cores of a replica; a model on a CPU computes with so many threads."""
    num_gpus: float = Field(default=0.0, ge=0)
    """GPUs of a replica; 0.5 lets two replicas share one."""

    @property
    def hosts(self) -> list[str]:
        """Any, unless `allowed_hosts` names some: Serve's proxies go by names of the cluster."""
        return super().hosts if self.allowed_hosts else ["*"]

    @model_validator(mode="after")
    def _check_fleet(self) -> Self:
        for name, reason in ONE_SERVER_ONLY.items():
            if getattr(self, name):
                raise ValueError(f"{name} is for one server, not for replicas: {reason}")
        if self.max_replicas is not None and self.max_replicas < self.replicas:
            raise ValueError(
                f"max_replicas must be at least replicas, {self.replicas}, got {self.max_replicas}"
            )
        return self


class BulkSettings(RerankerSettings):
    """The settings of a bulk job's scorer: an outage stops the job, and nothing is cached."""

    on_error: OnError = "raise"
    """Stop when no scorer answers, to be continued, or go on: with `"original_order"` rows stay
    without scores and say why."""
    cache_ttl: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Seconds that scores are remembered; pairs of a file seldom repeat."""
