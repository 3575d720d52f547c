"""From sent pictures to answers: admitted, decoded by processes that may die, batched, answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from oneglance.data.decoding import Decode, crashed, memory, processes, processors
from oneglance.data.images import Canvas, Limits
from oneglance.data.record import ImageRef
from oneglance.data.workers import Workers
from oneglance.errors import PictureError
from oneglance.inference.lanes import pool_of
from oneglance.inference.predictor import BATCH, Predictor
from oneglance.serving.batching import Batcher
from oneglance.serving.decoding import Decoder
from oneglance.serving.limits import Bounds, busy
from oneglance.serving.sent import SentImage

FIRST = b"P6 1 1 255\n\0\0\0"  # a picture of one pixel
RATE_OVER = 10.0  # seconds over which the speed is told

Row = dict[str, Any]


def rows(predictor: Predictor, decoded: Sequence[tuple[str, Canvas]]) -> list[Row]:
    """What ``predict`` gives for pictures, by name and canvas, in a thread of a lane."""
    names, canvases = zip(*decoded, strict=True)
    told = list(predictor.rows(names, canvases, here=True))
    return [{**row, "answers": predictor.shown(row["answers"])} for row in told]


class Engine:
    """Answers pictures as long as it is open. Made inside a running event loop."""

    def __init__(self, predictor: Predictor, bounds: Bounds) -> None:
        self.predictor, self.bounds = predictor, bounds
        self.inside = 0  # pictures that were admitted and are not answered yet
        self.decoding = 0  # of these
        self._began, self._answered = time.monotonic(), 0
        own = predictor.limits
        limits = Limits(min(own.megapixels, bounds.megapixels), min(own.megabytes, bounds.megabytes))
        # At least one: a decoder may crash. No more than are of use, whatever a file from elsewhere says.
        self._processes = min(max(1, processes(predictor.config.cache.workers)), processors())
        crew: Workers[ImageRef, Canvas | PictureError] = Workers(
            Decode(predictor.fit, limits),
            crashed,
            self._processes,
            memory=memory(limits),
            seconds=max(1, int(bounds.seconds / 2)),
        )
        self._decoder = Decoder(crew)
        self.batcher: Batcher[tuple[str, Canvas], Row] = Batcher(
            lambda decoded: rows(predictor, decoded),
            pool_of(predictor.engine),
            predictor.engine.lanes,
            BATCH,
            bounds.wait,
            lambda: self.decoding,
        )

    async def warm(self) -> None:
        """Start the processes and the network, so that the first client does not wait for them.

        Raises:
            OneglanceError: they do not start.
        """
        await self.answer([SentImage("first", FIRST)] * self._processes)

    async def answer(self, pictures: Sequence[SentImage]) -> list[Row]:
        """A row per picture, in order; one that cannot be read has an ``error`` in its place.

        Raises:
            Refused: too many pictures are inside already.
        """
        if self.inside + len(pictures) > max(self.bounds.waiting, len(pictures)):
            raise busy(f"{self.inside:,} pictures are waiting already", self.inside / self.rate())
        self.inside += len(pictures)
        try:
            return await asyncio.gather(*map(self._row, pictures))
        finally:
            self.inside -= len(pictures)

    async def look(self, picture: SentImage) -> Canvas | PictureError:
        """Decode one picture."""
        self.decoding += 1
        try:
            return await self._decoder.decode(picture)
        finally:
            self.decoding -= 1
            self.batcher.look()

    def rate(self) -> float:
        """Pictures per second of late, at least one."""
        seconds = time.monotonic() - self._began
        rate = self._answered / max(seconds, 1)
        if seconds > RATE_OVER:
            self._began, self._answered = time.monotonic() - 1, int(rate)
        return max(1.0, rate)

    async def close(self) -> None:
        """Stop the processes and the thread."""
        await self.batcher.close()
        self._decoder.close()

    async def _row(self, picture: SentImage) -> Row:
        found = await self.look(picture)
        if isinstance(found, PictureError):
            return {"image": picture.name, "error": found.what}
        row = await self.batcher.ask((picture.name, found))
        self._answered += 1
        return row
