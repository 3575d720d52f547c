"""How many processors this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

from oneglance.parallel.cgroups import ROOT, groups, numbers


def processors(system: Path = ROOT) -> int:
    """How many processors this process may use: its affinity and, in a container, its quota.

    Args:
        system: see ``cgroups.groups``.
    """
    try:
        count = len(os.sched_getaffinity(0))  # type: ignore[attr-defined,unused-ignore]
    except AttributeError:  # macOS, Windows
        count = os.cpu_count() or 1
    for version, folder in groups("cpu", system):
        if version == 2:
            limit = numbers(folder / "cpu.max")
        else:
            limit = numbers(folder / "cpu.cfs_quota_us") + numbers(folder / "cpu.cfs_period_us")
        if len(limit) == 2 and min(limit) > 0:  # -1 or "max": no quota
            count = min(count, math.ceil(limit[0] / limit[1]))
    return max(1, count)


def threads() -> int:
    """As many as torch should take: the processors we may use, or fewer where the user set a limit."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(processors(), max(1, int(limit))) if limit.isdigit() else processors()
