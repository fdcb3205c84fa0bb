"""How many actors hold the model, and what each gets of its machine."""

from __future__ import annotations

import logging
import math
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Actors:
    """The actors of a bulk job; `None` is chosen by what the cluster has.

    Args:
        count: How many. `None` means one for each GPU, or for each machine without GPUs.
        num_cpus: Cores of each. `None` means all cores of its machine, though only one is
            reserved, so that reading and writing find a place beside it.
        num_gpus: GPUs of each. `None` means 1 if the cluster has GPUs.
    """

    count: int | None = None
    num_cpus: float | None = None
    num_gpus: float | None = None

    def options(self, other_cores: int = 1) -> dict[str, Any]:
        """What `Dataset.map_batches` takes; connects to Ray, or starts it on this machine.

        Args:
            other_cores: Cores that Ray Data reserves beside the actors, to read and to write.
        """
        import ray

        started = _connect()
        nodes = _resources()
        gpus = sum(node.get("GPU", 0) for node in nodes)
        num_gpus = min(1.0, gpus) if self.num_gpus is None else self.num_gpus
        machines = sum(node.get("CPU", 0) >= 1 for node in nodes)
        places = int(gpus / num_gpus) if num_gpus else machines
        count = self.count or max(1, places)
        _ensure_cores(count * (self.num_cpus or 1) + other_cores, started=started)
        return {
            "compute": ray.data.ActorPoolStrategy(size=count),
            "num_gpus": num_gpus,
            **self._cores(max(node.get("CPU", 1) for node in nodes)),
        }

    def _cores(self, most: float) -> dict[str, Any]:
        """Ray gives an actor as many OpenMP threads as it reserves cores, unless told."""
        if self.num_cpus is not None:
            return {"num_cpus": self.num_cpus}
        return {"num_cpus": 1, "runtime_env": {"env_vars": {"OMP_NUM_THREADS": str(int(most))}}}


def _connect() -> bool:
    """Join a cluster, or start Ray on this machine; whether it was started."""
    import ray

    if ray.is_initialized():
        return False
    if os.environ.get("RAY_ADDRESS") != "local":  # which asks for a cluster of its own
        with suppress(ConnectionError):  # there is no cluster to join
            ray.init("auto")
            return False
    ray.init(include_dashboard=False)
    return True


def _ensure_cores(least: float, *, started: bool) -> None:
    """Make sure that so many cores can be reserved: what can't get one waits for ever.

    If this call started Ray, Ray is started again with that many. A cluster only gets a warning:
    machines may still join it.
    """
    import ray

    total = sum(node.get("CPU", 0) for node in _resources())
    if total >= least:
        return
    if started:
        ray.shutdown()
        ray.init(num_cpus=math.ceil(least), include_dashboard=False)
    else:
        logger.warning(
            "the job may need %g cores at once, and the cluster has %g; what gets none waits: ask "
            "for fewer actors, or for fewer cores of each",
            least,
            total,
        )


def _resources() -> list[dict[str, float]]:
    """Of each machine that is alive."""
    import ray

    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return [node["Resources"] for node in nodes if node["Alive"]]
