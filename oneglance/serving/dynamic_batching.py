"""Pictures of many requests share forward passes."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
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
        self._patience: asyncio.TimerHandle | None = None  # while the first item waits for others
        self._waited = False

    @property
    def waiting(self) -> int:
        """Items that nobody has taken yet."""
        return len(self._items)

    async def ask(self, items: Sequence[Item]) -> list[Answer]:
        """The answers, in order. What ``answer`` raises is raised here, for every item of its batch."""
        loop = asyncio.get_running_loop()
        asked: list[tuple[Item, asyncio.Future[Answer]]] = [(item, loop.create_future()) for item in items]
        self._items.extend(asked)
        self.look()
        return await asyncio.gather(*(future for _, future in asked))

    def look(self) -> None:
        """Begin what may begin; called when anything has changed that it depends on."""
        while self._items and len(self._passes) < self._at_once:
            if not self._waited and self._coming() and len(self._items) < self._share():
                if self._patience is None:
                    self._patience = asyncio.get_running_loop().call_later(self._wait, self._wait_no_more)
                return
            self._begin()

    async def close(self) -> None:
        """Stop; whoever still waits is told so by a CancelledError."""
        self._forget()
        for _, future in self._items:
            future.cancel()
        self._items.clear()
        for task in self._passes:
            task.cancel()
        await asyncio.gather(*self._passes, return_exceptions=True)

    def _begin(self) -> None:
        self._forget()
        taken = [self._items.popleft() for _ in range(min(self._share(), len(self._items)))]
        # Who was given up in the meantime is not asked for.
        if batch := [(item, future) for item, future in taken if not future.done()]:
            task = asyncio.create_task(self._answer_all(batch))
            self._passes[task] = len(batch)
            task.add_done_callback(self._done)

    def _share(self) -> int:
        """How many items a pass should take."""
        inside = len(self._items) + self._coming() + sum(self._passes.values())
        return min(self._most, math.ceil(inside / self._at_once))

    def _wait_no_more(self) -> None:
        self._forget()
        self._waited = True
        self.look()

    def _forget(self) -> None:
        self._waited = False
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._passes[task]
        self.look()

    async def _answer_all(self, batch: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        self.batches, self.items = self.batches + 1, self.items + len(batch)
        try:
            answers = await self._answer([item for item, _ in batch])
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
