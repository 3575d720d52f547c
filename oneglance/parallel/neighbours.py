"""How many processors other programs keep busy."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from typing import NamedTuple

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
    busy = sum(sum(one) - one.idle - getattr(one, "iowait", 0) - _guests(one) for one in times)
    here = psutil.Process()
    own = here.cpu_times()
    seconds = own.user + own.system + own.children_user + own.children_system
    for child in here.children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has just ended
            used = child.cpu_times()
            seconds += used.user + used.system
    return Look(time.perf_counter(), busy, seconds)


def _guests(times: object) -> float:
    """What Linux counts twice: the time of virtual machines is also that of their programs."""
    return float(getattr(times, "guest", 0) + getattr(times, "guest_nice", 0))


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
