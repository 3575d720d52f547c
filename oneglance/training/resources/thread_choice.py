"""How many threads a training on a CPU takes: all processors, unless other programs clearly want them too.

Sums come out otherwise in their last bits with another number of threads, so a training keeps to its number
as long as the machine is not clearly busy; the same seed then gives the same weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

from oneglance.parallel.neighbours import CLEARLY, Neighbours, left_over

FIRST = 3.0  # seconds of steps before the first look at other programs
EVERY = 60.0  # seconds between two looks
AGAIN = 10.0  # the same where a look found another load than before: it may pass
GAIN = 1.1  # another number of threads must be faster by this factor
STEPS, SECONDS = 6, 1.0  # of a trial with each number, at least

Result = TypeVar("Result")


class ThreadChoice:
    """Looks at other programs now and then, and tries numbers of threads in turns in steps of the training.

    Args:
        most: threads where nothing else runs.
        neighbours: the other programs.
        say: gets a sentence for the user where the number changes.
        use: sets how many threads compute.
        clock: seconds.
    """

    def __init__(
        self,
        most: int,
        neighbours: Neighbours,
        say: Callable[[str], None],
        use: Callable[[int], None] = torch.set_num_threads,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.most, self.count = most, most
        self._neighbours, self._say, self._use, self._clock = neighbours, say, use, clock
        self._due = clock() + FIRST
        self._load = 0.0  # of the others, when the number was chosen
        self._other = False  # whether the last look found another load
        self._trial: dict[int, list[float]] = {}  # seconds of steps by number of threads

    def step(self, work: Callable[[], Result]) -> Result:
        """What ``work`` gives, a step of the training."""
        if self.most == 1:
            return work()
        if not self._trial and self._clock() >= self._due:
            self._look()
        if not self._trial:
            return work()
        count = min(self._trial, key=lambda each: len(self._trial[each]))
        self._use(count)
        began = self._clock()
        result = work()
        self._trial[count].append(self._clock() - began)
        if all(len(times) > STEPS and sum(times[1:]) >= SECONDS for times in self._trial.values()):
            self._choose()
        return result

    def _look(self) -> None:
        load = self._neighbours.busy()
        differs = abs(load - self._load) >= CLEARLY
        confirmed, self._other = differs and self._other, differs
        self._due = self._clock() + (AGAIN if differs and not confirmed else EVERY)
        if not confirmed:
            return
        self._load, self._other = load, False
        wanted = left_over(self.most, load)
        if load < CLEARLY:
            self._change(self.most, "other programs leave the processors alone again")
        elif wanted != self.most:
            self._trial = {count: [] for count in (self.count, self.most, wanted)}

    def _choose(self) -> None:
        # The first step of each is left out: what it finds in the caches is that of another number.
        seconds = {count: sum(times[1:]) / len(times[1:]) for count, times in self._trial.items()}
        best = min(seconds, key=lambda count: seconds[count])
        self._trial = {}
        self._due = self._clock() + EVERY
        chosen = best if seconds[best] * GAIN < seconds[self.count] else self.count
        self._use(chosen)
        self._change(chosen, f"other programs keep {self._load:.1f} of {self.most} processors busy")

    def _change(self, count: int, why: str) -> None:
        if count != self.count:
            self._use(count)
            self.count = count
            threads = "1 thread" if count == 1 else f"{count} threads"
            self._say(f"{why}: on with {threads}, which changes the last bits of what is learned")


@contextmanager
def threads_chosen(
    device: torch.device, say: Callable[[str], None]
) -> Iterator[Callable[[Callable[[], Any]], Any]]:
    """What each step of a training on ``device`` goes through; after the block torch computes with as many
    threads as before.
    """
    usual = torch.get_num_threads()
    try:
        yield ThreadChoice(usual, Neighbours(), say).step if device.type == "cpu" else at_once
    finally:
        torch.set_num_threads(usual)


def at_once(work: Callable[[], Result]) -> Result:
    """A step as it comes."""
    return work()
