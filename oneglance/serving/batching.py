"""Pictures of many requests share forward passes."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batcher(Generic[Item, Answer]):
    """Hands up to ``most`` items at once to ``answer``, which is under way ``passes`` times at most.

    Where another pass may begin, the first item waits at most ``wait`` seconds for others, and only until it
    has its share of all that are here or on their way, as ``coming()`` says: a single client waits for
    nobody. Whoever changes ``coming()`` calls ``look()``.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        passes: int,
        most: int,
        wait: float,
        coming: Callable[[], int],
    ) -> None:
        self.batches = self.items = 0
        self._answer, self._at_once, self._most = answer, passes, most
        self._wait, self._coming = wait, coming
        self._items: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._passes: dict[asyncio.Task[None], int] = {}  # under way, and how many items each holds
        self._changed = asyncio.Event()
        self._running = asyncio.create_task(self._run())

    @property
    def waiting(self) -> int:
        """Items that nobody has taken yet."""
        return len(self._items)

    async def ask(self, item: Item) -> Answer:
        """The answer to one item. What ``answer`` raises is raised here, for every item of its batch."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._items.append((item, future))
        self.look()
        return await future

    def look(self) -> None:
        """Something has changed that the wait depends on."""
        self._changed.set()

    async def close(self) -> None:
        """Stop; whoever still waits is told so by a CancelledError."""
        self._running.cancel()
        with suppress(asyncio.CancelledError):
            await self._running
        for _, future in self._items:
            future.cancel()
        for task in self._passes:
            task.cancel()
        await asyncio.gather(*self._passes, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                await self._others()
            taken = [self._items.popleft() for _ in range(min(self._share(), len(self._items)))]
            # Who was given up in the meantime is not asked for.
            batch = [(item, future) for item, future in taken if not future.done()]
            if batch:
                task = asyncio.create_task(self._answer_all(batch))
                self._passes[task] = len(batch)
                task.add_done_callback(self._done)

    async def _others(self) -> None:
        """Wait for a first item and leave for a pass, and a little for others."""
        while not self._items or len(self._passes) == self._at_once:
            self._changed.clear()
            await self._changed.wait()
        async with asyncio.timeout(self._wait):
            while len(self._items) < self._share() and self._coming():
                self._changed.clear()
                await self._changed.wait()

    def _share(self) -> int:
        """How many items a pass should take."""
        inside = len(self._items) + self._coming() + sum(self._passes.values())
        return min(self._most, math.ceil(inside / self._at_once))

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._passes[task]
        self.look()

    async def _answer_all(self, batch: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        self.batches, self.items = self.batches + 1, self.items + len(batch)
        items = [item for item, _ in batch]
        try:
            answers = await self._answer(items)
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
        finally:
            for _, future in batch:
                future.cancel()  # those without an answer: the service is stopping
