"""How many processors other programs keep busy."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

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
