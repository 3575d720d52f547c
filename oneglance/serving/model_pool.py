"""Processes that each hold the network, decode pictures and answer them, and may die.

A picture stays in one process from its bytes to its answer. With decoders beside the network, and passes in
threads of the service, each picture waits for several processes and threads in turn, and all of these for
Python's lock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import numpy as np

from oneglance.config import Config
from oneglance.data.images.decode import Canvas, Limits
from oneglance.data.images.decode_pool import Decode, memory
from oneglance.data.record import ImageRef
from oneglance.errors import PictureError
from oneglance.inference.parallel_passes import threads, threads_of_each
from oneglance.inference.predictor import Predictor
from oneglance.nn.allocator import keep_freed_memory
from oneglance.parallel.process_pool import Job, ProcessPool
from oneglance.progress import Screen
from oneglance.serving.limits import Bounds
from oneglance.task import Task

MOST = 16  # pictures of a forward pass
MOST_PROCESSES = 8  # each holds a network and what runs it, some hundred megabytes
MOST_ON_GPU = 2  # there it comes on top of that; one decodes while the other answers


class Told(NamedTuple):
    """The answer to one picture."""

    text: str  # the row that ``predict`` gives, as JSON
    error: str = ""  # why there are no answers
    unknown: bool = False
    size: tuple[int, int] = (0, 0)  # width and height of the picture, upright


class Contents(NamedTuple):
    """What the processes have opened."""

    config: Config
    tasks: Mapping[str, Task]
    on_gpu: bool


class Answering(Job[ImageRef, Told]):
    """What each process does."""

    does = "hold the network"
    hint = "start fewer: --lanes 1"
    predictor: Predictor
    single: Predictor  # for a picture that comes alone
    decode: Decode

    def __init__(self, opener: Callable[[], Predictor], limits: Limits, processors: int) -> None:
        self._opener, self._limits, self._processors = opener, limits, processors

    def open(self, number: int) -> Contents:
        """Open the network, and take a full pass: the memory that it needs is then not refused later."""
        keep_freed_memory()
        self.predictor = self.single = self._opener()
        own = self.predictor.limits
        limits = Limits(
            min(own.megapixels, self._limits.megapixels), min(own.megabytes, self._limits.megabytes)
        )
        self.decode = Decode(self.predictor.fit, limits)
        blank = Canvas(np.zeros(self.predictor.fit.shape, np.uint8), 1, 1)
        self.together([("", blank)] * MOST, alone=False)
        if number == 0:
            self.single = self.predictor.for_single_images(self._processors)
        return Contents(self.predictor.config, self.predictor.tasks, self.predictor.engine.on_gpu)

    def one(self, picture: ImageRef) -> tuple[str, Canvas | PictureError]:
        """Its name, and the picture decoded."""
        return picture.name, self.decode(picture)

    def together(self, found: Sequence[tuple[str, Canvas | PictureError]], alone: bool) -> list[Told]:
        """The answers, in one forward pass."""
        names, items = zip(*found, strict=True)
        predictor = self.single if alone else self.predictor
        return [self._told(row) for row in predictor.answer(names, items)]

    def _told(self, row: Mapping[str, Any]) -> Told:
        if "error" in row:
            return Told(as_json(row), row["error"])
        return Told(as_json(row), "", row.get("unknown", False), (row["width"], row["height"]))


class ModelPool:
    """The processes, as long as they are not closed.

    Args:
        opener: opens the network in each of them; importable by name.
        processes: 0: one per processor, at most ``MOST_PROCESSES``, on a GPU at most ``MOST_ON_GPU``.
        screen: shows how far the opening is.

    Raises:
        OneglanceError: the network cannot be opened, or the processes do not start.
    """

    def __init__(
        self,
        opener: Callable[[], Predictor],
        bounds: Bounds,
        processes: int = 0,
        screen: Screen | None = None,
    ) -> None:
        count = processes or min(threads(), MOST_PROCESSES)
        limits = Limits(bounds.megapixels, bounds.megabytes)
        self._workers: ProcessPool[ImageRef, Told] = ProcessPool(
            Answering(opener, limits, threads()),
            died,
            count,
            memory=memory(limits),
            seconds=max(1, int(bounds.seconds / 2)),
            threads=threads_of_each(count),
        )
        screen = screen or Screen()
        try:
            # The first of them says what it has opened.
            self.contents: Contents = self._workers.start(
                lambda done: screen.progress(done, self.count, "opening the network"),
                lambda opened: MOST_ON_GPU if opened.on_gpu and not processes else count,
            )
        except BaseException:
            self.close()
            raise
        finally:
            screen.close()

    @property
    def count(self) -> int:
        """How many processes there are."""
        return self._workers.count

    def answer(self, pictures: Sequence[ImageRef], alone: bool = False) -> Future[list[Told]]:
        """The answers to a few pictures, from whichever process is free first.

        Args:
            alone: there are no others just now: their pass may take all processors.
        """
        return self._workers.submit(pictures, alone)

    def close(self) -> None:
        """End the processes at once."""
        self._workers.close()


def died(picture: ImageRef, what: str) -> Told:
    """The answer to a picture that took its process along."""
    return Told(as_json({"image": picture.name, "error": what}), what)


def as_json(value: Any) -> str:
    """As it is sent."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
