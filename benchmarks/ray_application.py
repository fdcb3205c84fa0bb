"""`python -m benchmarks.ray_application PORT REPLICAS`: the application on a cluster of its own."""

from __future__ import annotations

import signal
import sys

import ray
from ray import serve

from qwen_rerank.ray import app
from qwen_rerank.ray.settings import FleetSettings


def main() -> None:
    port, replicas = map(int, sys.argv[1:])
    ray.init(num_cpus=replicas + 1, object_store_memory=200 << 20, include_dashboard=False)
    try:
        serve.start("HeadOnly", {"host": "127.0.0.1", "port": port})
        serve.run(app(FleetSettings(model="builtin", device="cpu", replicas=replicas)))
        signal.pause()  # Ray turns SIGTERM into SystemExit
    finally:
        serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()


if __name__ == "__main__":
    main()
