"""Pictures of many requests share forward passes.

A picture waits in one queue, here, until a process is free. Only a batch that is ready for the process that
is free next waits beyond it: else that process would stand idle until this thread has noticed.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from oneglance.serving.limits import Bounds, busy

SPEED_OVER = 10.0  # seconds over which the speed is measured
BATCH = 16  # pictures of a forward pass

Item = TypeVar("Item")
Answer = TypeVar("Answer")
ItemIn = TypeVar("ItemIn", contravariant=True)


class Pool(Protocol[ItemIn, Answer]):
    """The processes that answer; see ``ModelPool``."""

    @property
    def count(self) -> int:
        """How many processes there are."""
        ...

    def answer(self, items: Sequence[ItemIn], alone: bool, /) -> Future[list[Answer]]:
        """The answers to one batch. ``alone``: there is nothing else to do."""
        ...

    def close(self) -> None:
        """End the processes at once."""
        ...


class DynamicBatcher(Generic[Item, Answer]):
    """Hands up to ``most`` pictures at once to the processes.

    Where another pass may begin, the first picture waits at most ``bounds.wait`` seconds for others, and only
    until it has its share of all that are here or on their way: a single client waits for nobody. Made inside
    a running event loop.
    """

    def __init__(self, pool: Pool[Item, Answer], bounds: Bounds, most: int = BATCH) -> None:
        self.inside = 0  # pictures that were admitted and are not answered yet
        self.batches = self.pictures = 0  # so far
        self._pool, self._bounds, self._most = pool, bounds, most
        self._at_once = pool.count + 1
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._passes: dict[asyncio.Future[list[Answer]], list[asyncio.Future[Answer]]] = {}  # under way
        self._arriving = 0  # requests whose pictures are not here yet
        self._next: asyncio.Handle | None = None  # a call of _begin_passes that is due
        self._patience: asyncio.TimerHandle | None = None  # while the first picture waits for others
        self._waited = False
        self._since, self._answered = time.monotonic(), 0

    @property
    def waiting(self) -> int:
        """Pictures that no pass has taken yet."""
        return len(self._queue)

    @contextmanager
    def arriving(self) -> Iterator[None]:
        """While a request is being read, a batch waits a moment for its pictures."""
        self._arriving += 1
        try:
            yield
        finally:
            self._arriving -= 1
            self._look_soon()

    async def answer(self, pictures: Sequence[Item]) -> list[Answer]:
        """The answers, in order. What a pass raises is raised here, for every picture of its batch.

        Raises:
            Refused: too many pictures are inside already.
        """
        if self.inside + len(pictures) > max(self._bounds.waiting, len(pictures)):
            raise busy(f"{self.inside:,} pictures are waiting already", self.inside / self.speed())
        self.inside += len(pictures)
        try:
            futures: list[asyncio.Future[Answer]] = [self._loop.create_future() for _ in pictures]
            self._queue.extend(zip(pictures, futures, strict=True))
            self._look_soon()
            answers = await asyncio.gather(*futures)
        finally:
            self.inside -= len(pictures)
        self._answered += len(answers)
        return answers

    def speed(self) -> float:
        """Pictures per second of late, at least one."""
        seconds = time.monotonic() - self._since
        speed = self._answered / max(seconds, 1)
        if seconds > SPEED_OVER:
            self._since, self._answered = time.monotonic() - 1, int(speed)
        return max(1.0, speed)

    async def close(self) -> None:
        """Stop, and end the processes; whoever still waits gets a CancelledError."""
        self._stop_waiting()
        for _, future in self._queue:
            future.cancel()
        self._queue.clear()
        passes = list(self._passes)
        for each in passes:
            each.cancel()
        await asyncio.gather(*passes, return_exceptions=True)
        self._pool.close()

    def _look_soon(self) -> None:
        """Once all that comes in this moment is here."""
        if self._next is None:
            self._next = self._loop.call_soon(self._begin_passes)

    def _begin_passes(self) -> None:
        """Begin what may begin; called when anything has changed that it depends on."""
        self._next = None
        while self._queue and len(self._passes) < self._at_once:
            if not self._waited and self._arriving and len(self._queue) < self._share():
                if self._patience is None:
                    self._patience = self._loop.call_later(self._bounds.wait, self._wait_no_longer)
                return
            self._begin_pass()

    def _share(self) -> int:
        """How many pictures a pass should take."""
        under_way = sum(map(len, self._passes.values()))
        here = len(self._queue) + self._arriving + under_way
        return min(self._most, math.ceil(here / self._at_once))

    def _begin_pass(self) -> None:
        self._stop_waiting()
        taken = [self._queue.popleft() for _ in range(min(self._share(), len(self._queue)))]
        taken = [(item, future) for item, future in taken if not future.done()]  # else its client has left
        if not taken:
            return
        alone = self.inside == len(taken) and not self._arriving
        answers = asyncio.wrap_future(self._pool.answer([item for item, _ in taken], alone))
        self._passes[answers] = [future for _, future in taken]
        answers.add_done_callback(self._end_pass)
        self.batches, self.pictures = self.batches + 1, self.pictures + len(taken)

    def _end_pass(self, answers: asyncio.Future[list[Answer]]) -> None:
        futures = self._passes.pop(answers)
        error = None if answers.cancelled() else answers.exception()
        for number, future in enumerate(futures):
            if future.done():  # its client has left
                continue
            if answers.cancelled():
                future.cancel()
            elif error is not None:
                future.set_exception(error)
            else:
                future.set_result(answers.result()[number])
        self._begin_passes()

    def _wait_no_longer(self) -> None:
        self._stop_waiting()
        self._waited = True
        self._begin_passes()

    def _stop_waiting(self) -> None:
        self._waited = False
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
