"""From sent pictures to answers: admitted, decoded by processes that may die, batched, answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from oneglance.config import Config
from oneglance.data.decoding import Decode, crashed, memory, processes
from oneglance.data.images import Canvas, Fit, Limits, Placement
from oneglance.data.record import ImageRef
from oneglance.data.workers import Workers
from oneglance.errors import PictureError, needs_extra
from oneglance.serving.batching import Batcher
from oneglance.serving.limits import Bounds, busy
from oneglance.serving.sent import SentImage
from oneglance.task import Prediction, Task

BATCH = 64  # pictures per forward pass
FIRST = b"P6 1 1 255\n\0\0\0"  # a picture of one pixel
RATE_OVER = 10.0  # seconds over which the speed is told

Row = dict[str, Any]


class Answering(Protocol):
    """What answers: a run folder or an .onnx file, opened."""

    tasks: Mapping[str, Task]
    config: Config

    @property
    def fit(self) -> Fit: ...

    def answers(
        self, canvases: np.ndarray, placements: Sequence[Placement]
    ) -> list[dict[str, Prediction]]: ...

    def shown(self, answers: Mapping[str, Prediction]) -> dict[str, Prediction]: ...


def open_answering(path: Path, device: str) -> Answering:
    """What answers for a run folder.

    Raises:
        OneglanceError: it is no finished run.
    """
    with needs_extra("train", "serving a run folder"):
        from oneglance.inference.predictor import Predictor
        from oneglance.run import RunFolder
    return Predictor.open(RunFolder.open(path), device=device)


def rows(predictor: Answering, canvases: Sequence[Canvas]) -> list[Row]:
    """What is told of each picture, as ``predict`` tells it, without its name."""
    pixels = np.stack([canvas.pixels for canvas in canvases])
    placements = [predictor.fit.place(canvas.width, canvas.height) for canvas in canvases]
    answers = predictor.answers(pixels, placements)
    return [
        {"width": canvas.width, "height": canvas.height, "answers": predictor.shown(said)}
        for canvas, said in zip(canvases, answers, strict=True)
    ]


class Engine:
    """Answers pictures as long as it is open. Made inside a running event loop."""

    def __init__(self, predictor: Answering, bounds: Bounds) -> None:
        self.predictor, self.bounds = predictor, bounds
        self.inside = 0  # pictures that were admitted and are not answered yet
        self.decoding = 0  # of these
        self._began, self._answered = time.monotonic(), 0
        pictures = predictor.config.pictures
        limits = Limits(
            min(pictures.megapixels, bounds.megapixels), min(pictures.megabytes, bounds.megabytes)
        )
        self._processes = max(1, processes(predictor.config.cache.workers))  # never here: a decoder may crash
        self._crew: Workers[ImageRef, Canvas | PictureError] = Workers(
            Decode(predictor.fit, limits),
            crashed,
            self._processes,
            memory=memory(limits),
            seconds=max(1, int(bounds.seconds / 2)),
        )
        self.batcher: Batcher[Canvas, Row] = Batcher(
            lambda canvases: rows(predictor, canvases), BATCH, bounds.wait, lambda: self.decoding
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
            (found,) = await asyncio.wrap_future(self._crew.submit([picture]))
            return found
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
        self._crew.close()

    async def _row(self, picture: SentImage) -> Row:
        found = await self.look(picture)
        if isinstance(found, PictureError):
            return {"image": picture.name, "error": found.what}
        row = await self.batcher.ask(found)
        self._answered += 1
        return {"image": picture.name, **row}
