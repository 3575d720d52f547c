"""Pictures of many requests share a forward pass."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batcher(Generic[Item, Answer]):
    """Hands up to ``most`` items at once to ``answer``, which runs in a thread of its own.

    The first item waits at most ``wait`` seconds for others, and only while ``coming()`` says that there are
    some on their way: a single client waits for nobody. Whoever changes ``coming()`` calls ``look()``.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Item]], Sequence[Answer]],
        most: int,
        wait: float,
        coming: Callable[[], int],
    ) -> None:
        self.batches = self.items = 0
        self._answer, self._most, self._wait, self._coming = answer, most, wait, coming
        self._items: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._changed = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="forward")
        self._running = asyncio.create_task(self._run())

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
        self._thread.shutdown()

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                await self._others()
            taken = [self._items.popleft() for _ in range(min(self._most, len(self._items)))]
            # Who was given up in the meantime is not asked for.
            batch = [(item, future) for item, future in taken if not future.done()]
            if batch:
                await self._answer_all(batch)

    async def _others(self) -> None:
        """Wait for a first item, and a little for others."""
        while not self._items:
            self._changed.clear()
            await self._changed.wait()
        async with asyncio.timeout(self._wait):
            while len(self._items) < self._most and self._coming():
                self._changed.clear()
                await self._changed.wait()

    async def _answer_all(self, batch: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        self.batches, self.items = self.batches + 1, self.items + len(batch)
        items = [item for item, _ in batch]
        try:
            answers = await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, items)
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
