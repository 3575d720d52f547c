"""Processes that each hold the network, decode pictures and answer them, and may die.

A picture stays in one process from its bytes to its answer. With decoders beside the network, and passes in
threads of the service, each picture waits for several processes and threads in turn, and all of these for
Python's lock.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from oneglance.data.images.decode import Limits
from oneglance.data.images.decoding.decode_pool import Decoding
from oneglance.data.record import ImageRef
from oneglance.errors import PictureError
from oneglance.inference.answering import Answering
from oneglance.inference.combined.opening import open_answering
from oneglance.inference.explanation.explainer import Explainer
from oneglance.inference.explanation.grids import on_picture
from oneglance.inference.explanation.heat_drawing import overlay
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
MAP_SIDE = 384  # pixels of the longer side of a map
MOST_ON_GPU = 2  # there it comes on top of that; one decodes while the other answers


class Why(NamedTuple):
    """The question what one answer to a picture rests on."""

    picture: ImageRef
    task: str
    number: int  # of the answer among those of the task, from 0

    @property
    def name(self) -> str:
        """What the picture is called."""
        return self.picture.name


Asked = ImageRef | Why


class ServedAnswer(NamedTuple):
    """The answer to one picture, or to the question why it is that."""

    text: str  # the row that ``predict`` gives, or an explanation, as JSON
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


class AnsweringJob(Job[Asked, ServedAnswer]):
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

    def one(self, asked: Asked) -> tuple[str, Any]:
        """The name of a picture, and the picture decoded, or why it cannot be; or an explanation."""
        if not isinstance(asked, Why):
            return asked.name, self.decode(asked)
        decoded = self.decode(asked.picture)
        if isinstance(decoded, PictureError):
            return asked.name, died(asked, decoded.what)
        return asked.name, explained(self.model.predictor, asked, decoded)

    def together(self, decoded: Sequence[tuple[str, Any]], alone: bool) -> list[ServedAnswer]:
        """The answers, in one forward pass; explanations stay what they are."""
        predictor = self.for_single_images if alone else self.model.predictor
        pictures = [(name, item) for name, item in decoded if not isinstance(item, ServedAnswer)]
        names, items = [name for name, _ in pictures], [item for _, item in pictures]
        rows = iter([served(row) for row in predictor.answer(names, items)])
        return [item if isinstance(item, ServedAnswer) else next(rows) for _, item in decoded]


def explained(answering: Answering[Any], why: Why, decoded: Any) -> ServedAnswer:
    """What one answer to a decoded picture rests on."""
    answers = Explainer(answering, tasks=[why.task]).explain(decoded)
    one = next(islice(answers, why.number, None), None)
    if one is None:
        return died(why, f"has no answer {why.number} to {why.task}")
    width, height = one.placement.width, one.placement.height
    scale = MAP_SIDE / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    file = io.BytesIO()
    overlay(on_picture(one.heat, one.placement, size)).save(file, "PNG")
    row: dict[str, Any] = {"image": why.name, "task": one.task, "answer": one.answer, "method": one.method}
    if one.box is not None:
        row |= {"box": list(one.box)}
    url = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    return ServedAnswer(as_json({**row, "map": url}), size=(width, height))


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
        self._processes: ProcessPool[Asked, ServedAnswer] = ProcessPool(
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

    def answer(self, pictures: Sequence[Asked], alone: bool = False) -> Future[list[ServedAnswer]]:
        """The answers to a few pictures, from whichever process is free first.

        Args:
            alone: there are no others just now: their pass may take all processors.
        """
        return self._processes.submit(pictures, alone)

    def close(self) -> None:
        """End the processes at once."""
        self._processes.close()


def died(picture: Asked, what: str) -> ServedAnswer:
    """The answer to a picture that took its process along."""
    return served({"image": picture.name, "error": what})


def as_json(value: Any) -> str:
    """As it is sent."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
