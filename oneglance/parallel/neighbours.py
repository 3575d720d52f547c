"""How many processors other programs keep busy.

Programs that were started to give way (``nice``) do not count, unless this one gives way too.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import psutil

CLEARLY = 0.6  # processors that others take before it counts: less is the noise of any machine


def left_over(most: int, load: float) -> int:
    """How many of ``most`` processors others leave that keep ``load`` busy; at least one."""
    return max(1, round(most - load))


class Look(NamedTuple):
    """Seconds at one moment, from any start."""

    clock: float
    busy: float  # of all processors that this process may use, whoever used them
    own: float  # of this process and those that it started


def look() -> Look:
    """The present moment."""
    times = psutil.cpu_times(percpu=True)
    try:
        allowed = os.sched_getaffinity(0)  # type: ignore[attr-defined,unused-ignore]
        times = [times[number] for number in allowed if number < len(times)]
    except AttributeError:  # macOS, Windows
        pass
    here = psutil.Process()
    giving_way = _gives_way(here)
    busy = sum(_busy(one, giving_way) for one in times)
    own = here.cpu_times()
    seconds = own.user + own.system + own.children_user + own.children_system
    for child in here.children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has just ended
            used = child.cpu_times()
            seconds += used.user + used.system
    return Look(time.perf_counter(), busy, seconds)


def _busy(times: Any, giving_way: bool) -> float:
    """Seconds of one processor; Linux counts those of virtual machines twice, as guests and as programs."""
    idle = times.idle + getattr(times, "iowait", 0) + getattr(times, "guest", 0)
    nice, guests = getattr(times, "nice", 0), getattr(times, "guest_nice", 0)
    return float(sum(times) - idle - guests - (0 if giving_way else nice - guests))


def _gives_way(process: psutil.Process) -> bool:
    """Whether it was started with ``nice``; on Windows there is no such count of seconds."""
    return os.name == "posix" and process.nice() > 0


class Neighbours:
    """Other programs on this machine, from one look to the next."""

    def __init__(self, looking: Callable[[], Look] = look) -> None:
        self._looking, self._before = looking, looking()

    def busy(self) -> float:
        """How many processors they kept busy since the last look, on average."""
        before, now = self._before, self._looking()
        self._before = now
        spent = (now.busy - before.busy) - (now.own - before.own)
        return max(0.0, spent) / max(now.clock - before.clock, 1e-9)
