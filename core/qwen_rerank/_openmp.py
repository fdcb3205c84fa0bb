"""How long OpenMP's threads spin between two operations of torch."""

from __future__ import annotations

import os
import sys

SPIN_COUNT = 10_000
"""About 0.1 ms by libgomp's own estimate, against 3 ms for its default of 300,000. Measured in
benchmarks/README.md."""


def limit_spinning() -> None:
    """Let a waiting OpenMP thread sleep after `SPIN_COUNT` rounds, unless the user has chosen.

    The OpenMP that torch brings on Linux is GNU's, which spins for milliseconds. On a machine
    with other busy processes it spins while the thread that it waits for gets no core. It reads
    its variables once, when it is loaded: at the latest when torch is imported. Child processes
    inherit the variable.
    """
    chosen = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys()
    if sys.platform == "linux" and not chosen and "torch" not in sys.modules:
        os.environ["GOMP_SPINCOUNT"] = str(SPIN_COUNT)
