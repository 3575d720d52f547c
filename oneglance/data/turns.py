"""Who does what is asked next, where several threads wait for work."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from heapq import heappop, heappush
from queue import SimpleQueue
from typing import Any, NamedTuple


class Task(NamedTuple):
    """Items for one member, and where their answers go."""

    items: Sequence[Any]
    alone: bool
    future: Future[list[Any]]


class Turns:
    """Tasks in order, each for the first of the members that are free."""

    def __init__(self, count: int) -> None:
        # Reentrant: whatever a thread does here may bring the end of a forgotten crew, which closes this.
        self._lock = threading.RLock()
        self._tasks: deque[Task] = deque()
        self._free: list[int] = []  # numbers of members, a heap
        self._hands: list[SimpleQueue[Task | None]] = [SimpleQueue() for _ in range(count)]

    def put(self, task: Task) -> None:
        with self._lock:
            if self._free:
                self._hands[heappop(self._free)].put(task)
            else:
                self._tasks.append(task)

    def get(self, member: int) -> Task | None:
        """Its next task, once there is one; None: there will be none."""
        with self._lock:
            if self._tasks:
                return self._tasks.popleft()
            heappush(self._free, member)
        return self._hands[member].get()

    def close(self) -> None:
        """Cancel what nobody has begun."""
        with self._lock:
            for task in self._tasks:
                task.future.cancel()
            self._tasks.clear()
            for hand in self._hands:
                hand.put(None)
