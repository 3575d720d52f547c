"""How many processors other programs keep busy."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from oneglance.parallel import neighbours
from oneglance.parallel.neighbours import Look, Neighbours, look


def test_what_others_used_since_the_last_look() -> None:
    looks = iter([Look(100, 50, 10), Look(110, 65, 20), Look(120, 85, 20), Look(130, 86, 22)])
    neighbours = Neighbours(lambda: next(looks))
    assert [neighbours.busy() for _ in range(3)] == pytest.approx([0.5, 2.0, 0.0])


def test_own_processes_are_no_neighbours() -> None:
    first = look()
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        end = time.perf_counter() + 0.6
        while time.perf_counter() < end:
            pass
        second = look()
    finally:
        child.kill()
        child.wait()
    # Others may be at work here too, and take turns with these two.
    assert second.own - first.own > 0.2
    assert second.busy - first.busy > second.own - first.own - 0.1


@pytest.mark.skipif(os.name != "posix", reason="Windows counts no seconds of programs that give way")
def test_programs_that_give_way_do_not_count_unless_this_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    times = psutil.cpu_times(percpu=True)[0]._replace(user=70, nice=40, system=5, idle=1000)
    system = SimpleNamespace(cpu_times=lambda percpu: [times], Process=psutil.Process, Error=psutil.Error)
    monkeypatch.setattr(neighbours, "psutil", system)
    monkeypatch.setattr(neighbours, "_gives_way", lambda process: False)
    rest = look().busy
    monkeypatch.setattr(neighbours, "_gives_way", lambda process: True)
    assert look().busy - rest == 40
