"""The number of threads: fixed on a quiet machine, the faster one beside other programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from oneglance.parallel.neighbours import Neighbours
from oneglance.training.resources.thread_choice import EVERY, ThreadChoice


class World:
    """A clock that steps move on, and programs beside."""

    def __init__(self, most: int, seconds: Callable[[int], float], load: Callable[[float], float]) -> None:
        self.now, self.threads, self.said = 0.0, most, list[str]()
        self.used, self.seconds, self.load = set[int](), seconds, load
        self.choice = ThreadChoice(most, cast(Neighbours, self), self.said.append, self.use, lambda: self.now)

    def busy(self) -> float:
        return self.load(self.now)

    def use(self, count: int) -> None:
        self.threads = count

    def work(self) -> int:
        self.used.add(self.threads)
        self.now += self.seconds(self.threads)
        return 7

    def until(self, end: float) -> None:
        while self.now < end:
            assert self.choice.step(self.work) == 7


def test_a_quiet_machine_changes_nothing() -> None:
    world = World(4, lambda threads: 0.5 / threads, lambda now: 0.3)
    world.until(600)
    assert (world.used, world.said) == ({4}, [])


def test_a_busy_machine_gets_the_faster_number() -> None:
    world = World(4, lambda threads: 2.0 if threads == 4 else 0.5, lambda now: 2.0)
    world.until(120)
    assert (world.threads, world.choice.count) == (2, 2)
    assert world.used == {2, 4}
    assert len(world.said) == 1
    assert world.said[0].startswith("other programs keep 2.0 of 4 processors busy: on with 2 threads")


def test_what_is_not_clearly_faster_is_not_taken() -> None:
    world = World(2, lambda threads: 0.5 if threads == 2 else 0.48, lambda now: 1.0)
    world.until(300)
    assert (world.threads, world.choice.count, world.said) == (2, 2, [])


def test_a_short_burst_is_waited_out() -> None:
    world = World(2, lambda threads: 0.1, lambda now: 2.0 if now < 8 else 0.0)
    world.until(300)
    assert (world.used, world.said) == ({2}, [])


def test_back_to_all_when_the_others_are_gone() -> None:
    world = World(2, lambda threads: 0.1 if threads == 1 else 0.4, lambda now: 1.0 if now < 100 else 0.0)
    world.until(100)
    assert world.threads == 1
    world.until(100 + 3 * EVERY)
    assert (world.threads, world.choice.count) == (2, 2)
    assert "1 thread" in world.said[0] and "2 threads" in world.said[1]


def test_one_processor_is_not_looked_at() -> None:
    world = World(1, lambda threads: 0.1, lambda now: 1 / 0)
    world.until(100)
    assert world.used == {1}
