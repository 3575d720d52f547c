"""The contract of what answers pictures: one network (``predictor``) or several (``combined/``).

What a picture is decoded to is its own matter, ``Decoded``: a canvas, or several for several networks.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice, tee
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Self, TypeVar

import numpy as np

from oneglance.data.images.decode import Canvas, Limits
from oneglance.data.images.decoding.decode_pool import Decoding, decode_with
from oneglance.data.record import ImageRef
from oneglance.errors import PictureError
from oneglance.inference.engine import BATCH
from oneglance.task import Prediction, Task

if TYPE_CHECKING:
    from oneglance.inference.predictor import Predictor

TRIALS = 7  # passes by which two engines are compared; the fastest counts

Decoded = TypeVar("Decoded")


class Part(NamedTuple):
    """One of the networks that answer, by itself."""

    predictor: Predictor
    names: Mapping[str, str]  # of its tasks: own name -> name among all
    canvas_of: Callable[[Any], Canvas]  # from a decoded picture to what this network sees of it


class Answering(ABC, Generic[Decoded]):
    """From references to pictures to rows as ``oneglance predict`` writes them."""

    tasks: Mapping[str, Task]

    @property
    @abstractmethod
    def decoding(self) -> Decoding[Decoded]:
        """What is made of each picture before it is answered."""

    @property
    @abstractmethod
    def limits(self) -> Limits:
        """Of pictures that are decoded for drawing."""

    @property
    @abstractmethod
    def workers(self) -> int:
        """Processes that decode; 0: one per processor."""

    @property
    @abstractmethod
    def on_gpu(self) -> bool:
        """Whether passes run on another device than the processor."""

    @abstractmethod
    def described(self) -> dict[str, Any]:
        """``{"backbone": "small", "canvas": [160, 160]}``, for whoever asks the service."""

    @abstractmethod
    def parts(self) -> list[Part]:
        """Each network by itself."""

    @abstractmethod
    def latency_mode(self, threads: int) -> Self:
        """The same for passes that have so many processors to themselves; this one where the engine has no
        other way of using them.
        """

    @abstractmethod
    def rows(self, decoded: Sequence[Decoded], *, complete: bool = False) -> Iterator[dict[str, Any]]:
        """``{"width", "height", "unfamiliar", "answers"}`` for each of at least one picture, in one batch.

        Args:
            complete: with all that metrics need, more than a user sees.
        """

    @abstractmethod
    def vectors(self, decoded: Sequence[Decoded], task: str = "") -> np.ndarray:
        """The feature vectors of at least one picture: float32 [n, d].

        Args:
            task: whose own features; "": those that all tasks share.

        Raises:
            ConfigError: there is no such task.
            RunError: only the shared features can be had here.
        """

    @abstractmethod
    def rows_and_vectors(
        self, decoded: Sequence[Decoded], task: str = ""
    ) -> tuple[list[dict[str, Any]], np.ndarray]:
        """What ``rows`` and ``vectors`` give, of one pass."""

    @abstractmethod
    def example(self) -> dict[str, Prediction]:
        """Values of every kind that a row may hold beside the picture's own, for the columns of a table."""

    def for_single_images(self, threads: int) -> Self:
        """This one or its latency mode, whichever answers one picture sooner here. It is measured, for
        threads of a pass also wait for each other.
        """
        other = self.latency_mode(threads)
        if other is self:
            return self
        blank = self.decoding.blank()

        def seconds(one: Answering[Decoded]) -> float:
            began = time.perf_counter()
            list(one.answer([""], [blank]))
            return time.perf_counter() - began

        return min((self, other), key=lambda each: min(seconds(each) for _ in range(TRIALS)))

    def answer(
        self, names: Sequence[str], decoded: Sequence[Decoded | PictureError], *, complete: bool = False
    ) -> Iterator[dict[str, Any]]:
        """One row per picture, as ``predict`` gives it, in one batch.

        Args:
            complete: with all that metrics need, more than a user sees.
        """
        readable = [item for item in decoded if not isinstance(item, PictureError)]
        rows = self.rows(readable, complete=complete) if readable else iter(())
        for name, item in zip(names, decoded, strict=True):
            if isinstance(item, PictureError):
                yield {"image": name, "error": item.what}
            else:
                yield {"image": name, **next(rows)}

    def predict(self, refs: Iterable[ImageRef], *, complete: bool = False) -> Iterator[dict[str, Any]]:
        """One row per picture, in order: ``{"image", "width", "height", "unfamiliar", "answers"}``, or
        ``{"image", "error"}`` for one that cannot be read.

        Memory does not grow with the number of pictures.

        Args:
            complete: with all that metrics need, more than a user sees.
        """
        refs, again = tee(refs)
        decoded = decode_with(self.decoding, refs, self.workers)
        yield from self.answers((ref.name for ref in again), decoded, complete=complete)

    def answers(
        self, names: Iterable[str], decoded: Iterable[Decoded | PictureError], *, complete: bool = False
    ) -> Iterator[dict[str, Any]]:
        """The same of pictures that are decoded, any number of them: in batches."""
        named = zip(names, decoded, strict=True)
        while batch := list(islice(named, BATCH)):
            yield from self.answer(*zip(*batch, strict=True), complete=complete)


def stacked(pixels: Sequence[np.ndarray]) -> np.ndarray:
    """Canvases [h, w, 3] of one size as [n, h, w, 3]; a picture alone is not copied."""
    return np.stack(pixels) if len(pixels) > 1 else pixels[0][None]
