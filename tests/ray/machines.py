"""Several machines of a Ray cluster, as processes of this one."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from qwen_rerank.ray import app
from qwen_rerank.ray.settings import FleetSettings

ROOT = Path(__file__).parents[2]
MEMORY = 100 << 20
"""Bytes of each machine's object store."""
PATIENCE = 90.0
"""Seconds after which a test gives up waiting."""


class Machines:
    """A head, and machines that are added; Serve listens on the head."""

    def __init__(self) -> None:
        os.environ.update(_environment())
        from ray.cluster_utils import Cluster  # reads the environment

        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        head = {"num_cpus": 4, "object_store_memory": MEMORY, "include_dashboard": False}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self._workers: list[Any] = []

    def __enter__(self) -> Self:
        import ray

        ray.init(address=self._cluster.address, log_to_driver=False)
        return self

    def deploy(self, settings: FleetSettings, **options: Any) -> None:
        """Run the application, and wait until its replicas are ready.

        Args:
            settings: Of the application.
            **options: As in the `deployments` of a config file.
        """
        from ray import serve

        self.listen()
        deployment = app(settings)._bound_deployment.options(**options)  # noqa: SLF001
        serve.run(deployment.bind(settings), name="rerank")

    def listen(self) -> None:
        """Start Serve, without any application."""
        from ray import serve

        serve.start("HeadOnly", {"host": "127.0.0.1", "port": self.port})
        for other in serve.status().applications:  # which another test has left
            serve.delete(other)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        import ray
        from ray import serve

        serve.shutdown()
        ray.shutdown()
        self._cluster.shutdown()

    @property
    def address(self) -> str:
        """Of the cluster, for RAY_ADDRESS."""
        return str(self._cluster.address)

    def add(self) -> None:
        """One more machine with a core."""
        self._workers.append(self._cluster.add_node(num_cpus=1, object_store_memory=MEMORY))

    def workers(self) -> set[str]:
        """All machines but the head."""
        return {worker.node_id for worker in self._workers}

    def remove(self, node: str) -> None:
        """Cut the power of a machine."""
        [worker] = [worker for worker in self._workers if worker.node_id == node]
        self._workers.remove(worker)
        self._cluster.remove_node(worker, allow_graceful=False)


def actors(kind: str) -> list[tuple[int, str]]:
    """Process and machine of each living actor whose class has a name like this."""
    from ray._private import state  # the public way needs the dashboard

    found = state.actors(actor_state_name="ALIVE").values()
    return [
        (actor["Pid"], actor["Address"]["NodeID"])
        for actor in found
        if kind in actor["ActorClassName"]
    ]


def replicas() -> int:
    """How many replicas serve."""
    from ray import serve

    [application] = serve.status().applications.values()
    [deployment] = application.deployments.values()
    return sum(n for state, n in deployment.replica_states.items() if state == "RUNNING")


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll; fails the test when nothing comes of it."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _environment() -> dict[str, str]:
    """What all processes of the cluster get."""
    return {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "core"), str(ROOT)]),
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": str(PATIENCE),
        "RAY_worker_niceness": "0",  # or a busy machine gives the workers nothing
    }
