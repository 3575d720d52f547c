"""How many processors this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path


def processors() -> int:
    """How many processors this process may use: its affinity and, in a container, its quota."""
    try:
        count = len(os.sched_getaffinity(0))  # type: ignore[attr-defined,unused-ignore]
    except AttributeError:  # macOS, Windows
        count = os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        count = min(count, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):  # no such system, or "max": no quota
        pass
    return max(1, count)
