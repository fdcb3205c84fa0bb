"""How many actors hold the model, and what each gets of its machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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

        if not ray.is_initialized():
            ray.init()
        found = ray.nodes()  # type: ignore[no-untyped-call]
        nodes = [node["Resources"] for node in found if node["Alive"]]
        gpus = sum(node.get("GPU", 0) for node in nodes)
        num_gpus = min(1.0, gpus) if self.num_gpus is None else self.num_gpus
        machines = sum(node.get("CPU", 0) >= 1 for node in nodes)
        places = int(gpus / num_gpus) if num_gpus else machines
        return {
            "compute": ray.data.ActorPoolStrategy(size=self.count or max(1, places)),
            "num_gpus": num_gpus,
            **self._cores(max(node.get("CPU", 1) for node in nodes)),
        }

    def _cores(self, most: float) -> dict[str, Any]:
        """Ray gives an actor as many OpenMP threads as it reserves cores, unless told."""
        if self.num_cpus is not None:
            return {"num_cpus": self.num_cpus}
        return {"num_cpus": 1, "runtime_env": {"env_vars": {"OMP_NUM_THREADS": str(int(most))}}}
