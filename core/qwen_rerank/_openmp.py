"""How long OpenMP's threads spin between two operations of torch."""

from __future__ import annotations

import os
import sys

SPIN_COUNT = 10_000
"""About 0.1 ms: enough for the gap between two operations of a forward pass."""


def limit_spinning() -> None:
    """Let a waiting OpenMP thread sleep after `SPIN_COUNT` rounds, unless the user has chosen.

    GNU's OpenMP, which torch brings on Linux, spins for several milliseconds. On a machine with
    other busy processes it spins while the thread that it waits for gets no core. It reads its
    variables when torch is imported, and later nothing can change them.
    """
    chosen = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys()
    if not chosen and "torch" not in sys.modules:
        os.environ["GOMP_SPINCOUNT"] = str(SPIN_COUNT)
