"""The Ray Serve application: `serve run qwen_rerank.ray:app model=builtin replicas=2`."""

# without `from __future__ import annotations`: Serve reads the annotation of `app` as a class

from typing import TYPE_CHECKING, Any

from qwen_rerank.extras import require_extras
from qwen_rerank.ray.settings import FleetSettings

if TYPE_CHECKING:
    from ray.serve import Application

NAME = "Reranker"
"""Of the deployment, for the `deployments` of a Serve config file."""
MAX_ONGOING = 4
"""Requests that a replica holds, whose documents share the model's passes. The others wait at the
proxy, where they survive a replica that dies; those that it holds get 500 then, and a client has
to send them again. Fewer than the failures that open a client's circuit breaker."""
TARGET_ONGOING = 3
"""Requests per replica that autoscaling aims at."""
MAX_QUEUED = 200
"""Requests that may wait at each proxy; further ones get 503 with `Retry-After`."""
RETRY_AFTER = 1
"""Seconds, for those."""
SECONDS_AFTER_DEADLINE = 5.0
"""A replica that is stopped ends when its last request has; none takes longer than this beyond
its deadline."""


def app(settings: FleetSettings) -> "Application":
    """Build the application; Serve turns `name=value` and the `args` of a file into settings.

    Args:
        settings: Of the server and its replicas. Their default is `QWEN_RERANK_<NAME>` in the
            environment of whoever builds the application.

    Raises:
        MissingDependencyError: Ray Serve or the server's packages are not installed.
    """
    require_extras("server", "ray")
    from ray import serve

    from qwen_rerank.ray.replica import Replica

    deployment: Any = serve.deployment(serve.ingress()(Replica))  # typed as a decorator
    application: Application = deployment.options(**_options(settings)).bind(settings)
    return application


def _options(settings: FleetSettings) -> dict[str, Any]:
    """What Serve's deployment takes."""
    return {
        "name": NAME,
        **_scale(settings),
        "ray_actor_options": {"num_cpus": settings.num_cpus, "num_gpus": settings.num_gpus},
        "max_ongoing_requests": MAX_ONGOING,
        "max_queued_requests": MAX_QUEUED,
        "backpressure_config": {"status_code": 503, "retry_after_s": RETRY_AFTER},
        "graceful_shutdown_timeout_s": settings.deadline + SECONDS_AFTER_DEADLINE,
        "health_check_timeout_s": settings.deadline,  # what the queue holds is done by then
    }


def _scale(settings: FleetSettings) -> dict[str, Any]:
    if settings.max_replicas is None:
        return {"num_replicas": settings.replicas}
    return {
        "autoscaling_config": {
            "min_replicas": settings.replicas,
            "initial_replicas": settings.replicas,
            "max_replicas": settings.max_replicas,
            "target_ongoing_requests": TARGET_ONGOING,
        }
    }
