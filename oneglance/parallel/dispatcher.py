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


class Dispatcher:
    """Tasks in order, each for the first of the members that are free. Members are numbers from 0."""

    def __init__(self, count: int) -> None:
        # Reentrant: whatever a thread does here may bring the end of a forgotten crew, which closes this.
        self._lock = threading.RLock()
        self._count = count
        self._tasks: deque[Task] = deque()
        self._free: list[int] = []  # a heap
        self._hands: list[SimpleQueue[Task | None]] = [SimpleQueue() for _ in range(count)]

    def put(self, task: Task) -> None:
        """Have it done; once closed, it is cancelled."""
        with self._lock:
            if not self._count:
                task.future.cancel()
            elif self._free:
                self._hands[heappop(self._free)].put(task)
            else:
                self._tasks.append(task)

    def get(self, member: int) -> Task | None:
        """Its next task, once there is one; None: there will be none."""
        with self._lock:
            if member >= self._count:
                return None
            if self._tasks:
                return self._tasks.popleft()
            heappush(self._free, member)
        return self._hands[member].get()

    def keep(self, count: int) -> None:
        """From now on only the first ``count`` members get tasks."""
        with self._lock:
            self._count = count
            self._free = sorted(member for member in self._free if member < count)
            for hand in self._hands[count:]:
                hand.put(None)

    def close(self) -> None:
        """Cancel what nobody has begun."""
        with self._lock:
            self.keep(0)
            for task in self._tasks:
                task.future.cancel()
            self._tasks.clear()
