"""Processes that each hold the network, decode pictures and answer them, and may die.

A picture stays in one process from its bytes to its answer. With decoders beside the network, and passes in
threads of the service, each picture waits for several processes and threads in turn, and all of these for
Python's lock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

from oneglance.data.images.decode import Limits
from oneglance.data.images.decoding.decode_pool import Decoding
from oneglance.data.record import ImageRef
from oneglance.inference.answering import Answering
from oneglance.inference.combined.opening import open_answering
from oneglance.inference.parallel_passes import threads_of_each
from oneglance.model import Model
from oneglance.nn.allocator import keep_freed_memory
from oneglance.parallel.cpus import threads
from oneglance.parallel.process_pool import Job, ProcessPool
from oneglance.progress import Screen
from oneglance.serving.dynamic_batching import BATCH
from oneglance.serving.limits import Bounds
from oneglance.task import Task

MOST_PROCESSES = 8  # each holds a network and what runs it, some hundred megabytes
MOST_ON_GPU = 2  # there it comes on top of that; one decodes while the other answers


class ServedAnswer(NamedTuple):
    """The answer to one picture."""

    text: str  # the row that ``predict`` gives, as JSON
    error: str = ""  # why there are no answers
    unknown: bool = False
    size: tuple[int, int] = (0, 0)  # width and height of the picture, upright


class ServedModel(NamedTuple):
    """What the service needs to know of the network that its processes hold."""

    described: Mapping[str, Any]  # see ``Answering``
    tasks: Mapping[str, Task]
    on_gpu: bool


def open_model(path: Path, *, device: str, false_alarm: float | None = None) -> Model:
    """The network for one process: one pass at a time, with the threads that this process may take."""
    return Model(open_answering(path, device=device, false_alarm=false_alarm, passes=1), str(path))


class AnsweringJob(Job[ImageRef, ServedAnswer]):
    """What each process does."""

    does = "hold the network"
    hint = "start fewer: --processes 1"
    model: Model
    for_single_images: Answering[Any]
    decode: Decoding[Any]

    def __init__(self, opener: Callable[[], Model], limits: Limits, processors: int) -> None:
        self._opener, self._limits, self._processors = opener, limits, processors

    def open(self, number: int) -> ServedModel:
        """Open the network, and make a full pass: the memory that it needs is then not refused later."""
        keep_freed_memory()
        self.model = self._opener()
        predictor = self.for_single_images = self.model.predictor
        self.decode = predictor.decoding.within(self._limits.megapixels, self._limits.megabytes)
        self.together([("", self.decode.blank())] * BATCH, alone=False)
        if number == 0:
            self.for_single_images = predictor.for_single_images(self._processors)
        return ServedModel(predictor.described(), predictor.tasks, predictor.on_gpu)

    def one(self, picture: ImageRef) -> tuple[str, Any]:
        """Its name, and the picture decoded, or why it cannot be."""
        return picture.name, self.decode(picture)

    def together(self, decoded: Sequence[tuple[str, Any]], alone: bool) -> list[ServedAnswer]:
        """The answers, in one forward pass."""
        names, items = zip(*decoded, strict=True)
        predictor = self.for_single_images if alone else self.model.predictor
        return [served(row) for row in predictor.answer(names, items)]


def served(row: Mapping[str, Any]) -> ServedAnswer:
    """A row that the predictor gave, as it is sent."""
    size = row.get("width", 0), row.get("height", 0)
    return ServedAnswer(as_json(row), row.get("error", ""), row.get("unknown", False), size)


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
        opener: Callable[[], Model],
        bounds: Bounds,
        processes: int = 0,
        screen: Screen | None = None,
    ) -> None:
        count = processes or min(threads(), MOST_PROCESSES)
        limits = Limits(bounds.megapixels, bounds.megabytes)
        self._processes: ProcessPool[ImageRef, ServedAnswer] = ProcessPool(
            AnsweringJob(opener, limits, threads()),
            died,
            count,
            memory=limits.memory,
            seconds=max(1, int(bounds.seconds / 2)),
            threads=threads_of_each(count),
        )
        screen = screen or Screen()
        try:
            # The first of them reports what it has opened.
            self.model: ServedModel = self._processes.start(
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
        return self._processes.count

    def answer(self, pictures: Sequence[ImageRef], alone: bool = False) -> Future[list[ServedAnswer]]:
        """The answers to a few pictures, from whichever process is free first.

        Args:
            alone: there are no others just now: their pass may take all processors.
        """
        return self._processes.submit(pictures, alone)

    def close(self) -> None:
        """End the processes at once."""
        self._processes.close()


def died(picture: ImageRef, what: str) -> ServedAnswer:
    """The answer to a picture that took its process along."""
    return served({"image": picture.name, "error": what})


def as_json(value: Any) -> str:
    """As it is sent."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
