"""How many processors work that waits for all its threads takes beside other programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from oneglance.inference.parallel_passes import SharedWork
from oneglance.parallel.free_processors import EVERY, FIRST, FreeProcessors
from oneglance.parallel.neighbours import Look, Neighbours


class Machine:
    """Four processors, of which other programs keep ``load`` busy."""

    def __init__(self, load: float) -> None:
        self.load, self.now, self.spent, self.looks = load, 0.0, 0.0, 0

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.spent += self.load * seconds

    def look(self) -> Look:
        self.looks += 1
        return Look(self.now, self.spent, 0.0)

    def free(self, most: int = 4) -> FreeProcessors:
        return FreeProcessors(most, Neighbours(self.look), lambda: self.now)


@pytest.mark.parametrize(("load", "count"), [(0, 4), (0.5, 4), (1, 3), (2.2, 2), (4, 1), (9, 1)])
def test_leaves_the_processors_of_other_programs(load: float, count: int) -> None:
    machine = Machine(load)
    free = machine.free()
    assert free.count() == 4  # nothing is known yet
    machine.pass_time(FIRST)
    assert free.count() == count


def test_looks_now_and_then_and_not_at_every_pass() -> None:
    machine = Machine(2)
    free = machine.free()
    machine.pass_time(FIRST)
    assert [free.count() for _ in range(100)] == [2] * 100
    assert machine.looks == 2
    machine.load = 0
    machine.pass_time(EVERY)
    assert free.count() == 4


def test_one_processor_is_never_looked_at() -> None:
    machine = Machine(2)
    free = machine.free(most=1)
    machine.pass_time(10)
    assert free.count() == 1
    assert machine.looks == 1  # by the one who made it


class Counting:
    """An engine that tells on how many threads it ran; 0: on all."""

    on_gpu = False

    def __init__(self, passes: int) -> None:
        self.passes, self.threads, self.used = passes, 0, []  # type: ignore[var-annotated]

    def prepare_thread(self) -> None:
        return

    @contextmanager
    def few_threads(self, count: int) -> Iterator[None]:
        self.threads = count
        yield
        self.threads = 0

    def work(self, pictures: np.ndarray) -> int:
        self.used.append(self.threads)
        return len(pictures)


@pytest.mark.parametrize(("load", "threads"), [(0, 0), (1, 3)])
def test_a_picture_alone_leaves_busy_processors_alone(load: float, threads: int) -> None:
    machine, engine = Machine(load), Counting(4)
    shared = SharedWork(engine, machine.free())
    machine.pass_time(FIRST)
    assert list(shared.map(engine.work, np.zeros(1))) == [1]
    assert engine.used == [threads]
    assert engine.threads == 0
    assert list(shared.map(engine.work, np.zeros(8))) == [2] * 4  # in parallel, each on one
    assert engine.used[1:] == [0] * 4
