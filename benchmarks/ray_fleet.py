"""A simulation of up to 100 replicas behind Ray Serve. Nothing here was measured on a fleet.

    python -m benchmarks.ray_fleet

Assumptions:
- Requests come at random (Poisson), each with 1 to 50 documents, as in `benchmarks.serve_load`.
- A replica scores so many documents per second, whatever their number, and adds so many
  seconds to each request (`--documents-per-second`, `--overhead`: measured on one replica).
- A replica works on its requests in turns and ends each when its own share is done, so that all
  requests of a replica progress alike (processor sharing), as its scheduler does.
- Serve picks two replicas at random and takes the one with fewer requests (its own default). Its
  count is exact: no delay of the news from replicas.
- Waiting at the proxy for a replica counts as waiting in the replica.
- Proxies are on every node and are never the limit. No replica fails. The network takes no time.
"""

from __future__ import annotations

import argparse
import heapq
import random
import statistics
from dataclasses import dataclass, field

SIZES = (1, 2, 5, 10, 10, 20, 20, 50)
MOST = 32
"""Requests that a replica holds, or that wait for it at the proxy; further ones are refused."""


@dataclass
class Replica:
    """Shares its speed between its requests."""

    speed: float
    clock: float = 0.0
    done: float = 0.0
    """Documents that a request would have got that was there from the start."""
    ends: list[tuple[float, float]] = field(default_factory=list)
    """Of each request: the value of `done` at which it ends, and when it came."""

    def move(self, now: float) -> list[float]:
        """Work until now; the seconds that each request took that ended."""
        took = []
        while self.ends:
            last, came = self.ends[0]
            end = self.clock + (last - self.done) * len(self.ends) / self.speed
            if end > now:
                self.done += (now - self.clock) * self.speed / len(self.ends)
                break
            heapq.heappop(self.ends)
            self.clock, self.done = end, last
            took.append(end - came)
        self.clock = now
        return took

    def add(self, documents: float) -> None:
        heapq.heappush(self.ends, (self.done + documents, self.clock))


def simulate(
    replicas: int, load: float, speed: float, overhead: float, requests: int
) -> list[float]:
    """The seconds of each request at a share of what the fleet can carry; refused ones left out."""
    dice = random.Random(1)
    fleet = [Replica(speed) for _ in range(replicas)]
    mean = statistics.mean(SIZES) + overhead * speed
    rate = load * replicas * speed / mean
    now, took = 0.0, []
    for _ in range(requests):
        now += dice.expovariate(rate)
        pair = dice.sample(fleet, min(2, replicas))
        for replica in pair:
            took += replica.move(now)
        chosen = min(pair, key=lambda replica: len(replica.ends))
        if len(chosen.ends) < MOST:
            chosen.add(dice.choice(SIZES) + overhead * speed)
    for replica in fleet:
        took += replica.move(float("inf"))
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents-per-second", type=float, default=400)
    parser.add_argument("--overhead", type=float, default=0.005)
    parser.add_argument("--requests", type=int, default=50_000)
    options = parser.parse_args()
    print("| replicas | load | documents/s | answered | p50 | p95 | p99 |")
    print("|---|---|---|---|---|---|---|")
    for replicas in (1, 2, 10, 100):
        for load in (0.5, 0.8, 0.95):
            print(row(replicas, load, options), flush=True)


def row(replicas: int, load: float, options: argparse.Namespace) -> str:
    speed, overhead = options.documents_per_second, options.overhead
    took = sorted(simulate(replicas, load, speed, overhead, options.requests))
    share = len(took) / options.requests
    mean = statistics.mean(SIZES)
    carried = load * replicas * speed * mean / (mean + overhead * speed) * share
    p50, p95, p99 = (took[int(len(took) * part)] for part in (0.5, 0.95, 0.99))
    times = " | ".join(f"{1000 * seconds:.0f} ms" for seconds in (p50, p95, p99))
    return f"| {replicas} | {load:.0%} | {carried:,.0f} | {share:.1%} | {times} |"


if __name__ == "__main__":
    main()
