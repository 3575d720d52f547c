"""How many processors other programs leave to work that waits for all its threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from oneglance.parallel.cpus import threads
from oneglance.parallel.neighbours import CLEARLY, Neighbours, left_over

FIRST = 0.3  # seconds that a look takes in at least
EVERY = 5.0  # seconds between two looks: one costs some milliseconds


class FreeProcessors:
    """Looks at other programs now and then, from the moment it is made.

    Args:
        most: processors where nothing else runs; default: those that this process may use.
        neighbours: the other programs.
        clock: seconds.
    """

    def __init__(
        self,
        most: int = 0,
        neighbours: Neighbours | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.most = most or threads()
        self._clock, self._count, self._due = clock, self.most, clock() + FIRST
        # With one processor there is no choice, and nothing to look at.
        self._neighbours = None if self.most == 1 else neighbours or Neighbours()
        self._looking = threading.Lock()

    def count(self) -> int:
        """How many to use now, from 1 to ``most``."""
        if self._neighbours is not None and self._clock() >= self._due and self._looking.acquire(False):
            try:
                load = self._neighbours.busy()
                self._count = self.most if load < CLEARLY else left_over(self.most, load)
                self._due = self._clock() + EVERY
            finally:
                self._looking.release()
        return self._count
