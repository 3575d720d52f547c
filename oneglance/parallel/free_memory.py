"""How much memory this process may still take before the system refuses or kills it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from oneglance.parallel.cgroups import ROOT, groups, numbers

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

ENDLESS = 2**60  # what version 1 of control groups says where there is no limit is more than that


def free_memory(system: Path = ROOT) -> int:
    """Bytes of main memory that this process may still take: the least of what is available on the machine,
    what each of its control groups has left, and its own limits of address space and data.

    What files take in the page cache counts as free, for the system gives it up when asked.

    Args:
        system: see ``cgroups.groups``.
    """
    return max(0, min((*_machine(system), *_groups(system), *_limits(system)), default=ENDLESS))


def _machine(system: Path) -> Iterator[int]:
    kilobytes = _fields(system / "proc/meminfo")
    if "MemAvailable" in kilobytes:
        yield 1024 * kilobytes["MemAvailable"]
    elif system == ROOT and sys.platform != "linux":
        import psutil

        yield int(psutil.virtual_memory().available)


def _groups(system: Path) -> Iterator[int]:
    for version, folder in groups("memory", system):
        pages = _fields(folder / "memory.stat")
        limits: tuple[str, ...]
        if version == 2:
            given_up = pages.get("inactive_file", 0) + pages.get("active_file", 0)
            used, limits = numbers(folder / "memory.current"), ("memory.max", "memory.high")
        else:
            given_up = pages.get("total_inactive_file", 0) + pages.get("total_active_file", 0)
            used, limits = numbers(folder / "memory.usage_in_bytes"), ("memory.limit_in_bytes",)
        for name in limits:
            limit = numbers(folder / name)
            if used and limit and limit[0] < ENDLESS:
                yield limit[0] - max(0, used[0] - given_up)


def _limits(system: Path) -> Iterator[int]:
    """What ``ulimit -v`` and ``ulimit -d`` leave."""
    if resource is None:
        return
    kilobytes = _fields(system / "proc/self/status")
    for limit, name in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
        most = resource.getrlimit(limit)[0]
        if most != resource.RLIM_INFINITY and name in kilobytes:
            yield most - 1024 * kilobytes[name]


def _fields(file: Path) -> dict[str, int]:
    """Lines of a name and a number, as ``MemAvailable:   20971520 kB``."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    words = [line.split() for line in lines]
    return {each[0].rstrip(":"): int(each[1]) for each in words if len(each) > 1 and each[1].isdigit()}
