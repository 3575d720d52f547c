"""Hands chunks of work in order to waiting threads, always to the free one with the smallest number.

Why no library does it: ``queue.Queue`` gives the next chunk to any thread that waits; here the first process
must get it, since it alone may use all processors, and the number of workers may shrink later.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from heapq import heappop, heappush
from queue import SimpleQueue
from typing import Any, NamedTuple


class Chunk(NamedTuple):
    """Items for one worker, and the future that gets their answers."""

    items: Sequence[Any]
    latency_mode: bool
    future: Future[list[Any]]


class Dispatcher:
    """Chunks in order, each for the first of the workers that are free. Workers are numbers from 0."""

    def __init__(self, count: int) -> None:
        # Reentrant: anything a thread does here may let the garbage collector end a pool, which closes this.
        self._lock = threading.RLock()
        self._count = count
        self._chunks: deque[Chunk] = deque()
        self._free: list[int] = []  # a heap
        self._mailboxes: list[SimpleQueue[Chunk | None]] = [SimpleQueue() for _ in range(count)]

    def put(self, chunk: Chunk) -> None:
        """Queue a chunk, or cancel it once the dispatcher is closed."""
        with self._lock:
            if not self._count:
                chunk.future.cancel()
            elif self._free:
                self._mailboxes[heappop(self._free)].put(chunk)
            else:
                self._chunks.append(chunk)

    def get(self, worker: int) -> Chunk | None:
        """The next chunk for ``worker``, once there is one; None: there will be none."""
        with self._lock:
            if worker >= self._count:
                return None
            if self._chunks:
                return self._chunks.popleft()
            heappush(self._free, worker)
        return self._mailboxes[worker].get()

    def keep(self, count: int) -> None:
        """From now on only the first ``count`` workers get chunks."""
        with self._lock:
            self._count = count
            self._free = sorted(worker for worker in self._free if worker < count)
            for mailbox in self._mailboxes[count:]:
                mailbox.put(None)

    def close(self) -> None:
        """Cancel the chunks that no worker has begun, and let every waiting worker go."""
        with self._lock:
            self.keep(0)
            for chunk in self._chunks:
                chunk.future.cancel()
            self._chunks.clear()
