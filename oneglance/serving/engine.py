"""From sent pictures to answers: admitted, joined into batches, answered by processes that may die."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from oneglance.serving.dynamic_batching import Batcher
from oneglance.serving.limits import Bounds, busy
from oneglance.serving.model_pool import MOST, ModelPool, Told
from oneglance.serving.request_body import UploadedImage

RATE_OVER = 10.0  # seconds over which the speed is told


class Engine:
    """Answers pictures as long as it is open. Made inside a running event loop."""

    def __init__(self, crew: ModelPool, bounds: Bounds) -> None:
        self.bounds = bounds
        self.inside = 0  # pictures that were admitted and are not answered yet
        self._arriving = 0  # requests whose pictures are not here yet
        self._began, self._answered = time.monotonic(), 0
        self._crew = crew
        self.batcher: Batcher[UploadedImage, Told] = Batcher(
            self._pass,
            crew.count + 1,  # one batch is ready for the process that is free first
            MOST,
            bounds.wait,
            lambda: self._arriving,
        )

    @contextmanager
    def arrival(self) -> Iterator[None]:
        """While a request is being read, a batch waits a moment for its pictures."""
        self._arriving += 1
        try:
            yield
        finally:
            self._arriving -= 1
            self.batcher.look()

    async def answer(self, pictures: Sequence[UploadedImage]) -> list[Told]:
        """What is told of each picture, in order.

        Raises:
            Refused: too many pictures are inside already.
        """
        if self.inside + len(pictures) > max(self.bounds.waiting, len(pictures)):
            raise busy(f"{self.inside:,} pictures are waiting already", self.inside / self.rate())
        self.inside += len(pictures)
        try:
            told = await self.batcher.ask(pictures)
        finally:
            self.inside -= len(pictures)
        self._answered += len(told)
        return told

    async def _pass(self, pictures: Sequence[UploadedImage]) -> list[Told]:
        alone = self.inside == len(pictures) and not self._arriving
        return await asyncio.wrap_future(self._crew.answer(pictures, alone))

    def rate(self) -> float:
        """Pictures per second of late, at least one."""
        seconds = time.monotonic() - self._began
        rate = self._answered / max(seconds, 1)
        if seconds > RATE_OVER:
            self._began, self._answered = time.monotonic() - 1, int(rate)
        return max(1.0, rate)

    async def close(self) -> None:
        """Give up whoever still waits, and end the processes."""
        await self.batcher.close()
        self._crew.close()
