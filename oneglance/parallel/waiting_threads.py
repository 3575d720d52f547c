"""Threads that wait for each other sleep soon.

By default those of OpenMP, on which torch computes, keep looking for work for milliseconds while they wait.
Where other programs want the processors too, each then takes the processor that the one it waits for would
need: a training goes at a fourth to a fifteenth of its speed, and a forward pass of one picture may take a
second. To sleep at once costs a small network up to a third of its speed where nothing else runs, so they
look for some hundredths of a millisecond, which costs nothing there (docs/performance.md).
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

BY_USER = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"  # of OpenMP, of GNU's, of Intel's and LLVM's
SOON = {"GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "1"}  # turns of a loop; milliseconds


def let_waiting_threads_sleep(environment: MutableMapping[str, str] = os.environ) -> None:
    """Say how long threads look for work before they sleep, unless somebody has said how threads wait. OpenMP
    reads it once, as torch is loaded; processes that are started from this one inherit it.
    """
    if not any(name in environment for name in BY_USER):
        environment.update(SOON)
