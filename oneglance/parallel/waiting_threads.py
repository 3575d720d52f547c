"""Threads that wait for each other sleep.

By default those of OpenMP, on which torch computes, keep looking for work while they wait. Where other
programs want the processors too, each then takes the processor that the one it waits for would need: a
training goes at a fourth to a fifteenth of its speed, and a forward pass of one picture may take a second.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

BY_USER = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"  # of OpenMP, of GNU's, of Intel's and LLVM's


def let_waiting_threads_sleep(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set OMP_WAIT_POLICY=PASSIVE, unless somebody has said how threads wait. OpenMP reads it once, as torch
    is loaded; processes that are started from this one inherit it.
    """
    if not any(name in environment for name in BY_USER):
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
