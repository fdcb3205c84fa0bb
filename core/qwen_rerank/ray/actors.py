"""How many actors hold the model, and what each gets of its machine."""

from __future__ import annotations

import logging
import math
import os
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger(__name__)

OTHER_CORES = 2
"""What Ray Data reserves beside the actors: a core to read and write, and one for the actor that
skips finished rows. A job that can't get them would wait for ever."""


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

    def options(self) -> dict[str, Any]:
        """What `Dataset.map_batches` takes; connects to Ray, or starts it on this machine."""
        import ray

        most = _connect((self.count or 1) * (self.num_cpus or 1) + OTHER_CORES)
        nodes = _resources()
        gpus = sum(node.get("GPU", 0) for node in nodes)
        num_gpus = min(1.0, gpus) if self.num_gpus is None else self.num_gpus
        machines = sum(node.get("CPU", 0) >= 1 for node in nodes)
        places = int(gpus / num_gpus) if num_gpus else machines
        return {
            "compute": ray.data.ActorPoolStrategy(size=self.count or max(1, places)),
            "num_gpus": num_gpus,
            **self._cores(most),
        }

    def _cores(self, most: float) -> dict[str, Any]:
        """Ray gives an actor as many OpenMP threads as it reserves cores, unless told."""
        if self.num_cpus is not None:
            return {"num_cpus": self.num_cpus}
        return {"num_cpus": 1, "runtime_env": {"env_vars": {"OMP_NUM_THREADS": str(int(most))}}}


def _connect(least: float) -> float:
    """Connect to a cluster, or start Ray here; the cores of the largest machine.

    Ray here lets `least` cores be reserved, even where there are fewer. For a cluster with fewer
    there is a warning, since more machines may join it.
    """
    import ray

    if not ray.is_initialized() and not _joined():
        return _start(least)
    total = sum(node.get("CPU", 0) for node in _resources())
    if total < least:
        logger.warning("the job waits for %g cores, and the cluster has %g now", least, total)
    return _most_cores()


def _joined() -> bool:
    """Join the cluster of RAY_ADDRESS, or one on this machine; whether there is one."""
    import ray

    if os.environ.get("RAY_ADDRESS") == "local":  # a cluster of its own is wanted
        return False
    try:
        ray.init("auto")
    except ConnectionError:
        return False
    return True


def _start(least: float) -> float:
    import ray

    ray.init(include_dashboard=False)
    most = _most_cores()
    if most < least:
        ray.shutdown()
        ray.init(num_cpus=math.ceil(least), include_dashboard=False)
    return most


def _most_cores() -> float:
    return max(node.get("CPU", 1) for node in _resources())


def _resources() -> list[dict[str, float]]:
    """Of each machine that is alive."""
    import ray

    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return [node["Resources"] for node in nodes if node["Alive"]]
