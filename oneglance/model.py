"""A trained network that stays loaded.

``predict`` from the shell, ``Run.predict`` and each process of the service hold one of these.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from itertools import groupby, islice, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from oneglance.data.image_inputs import pictures as pictures_at
from oneglance.data.images.decoding.decode_pool import decode_with
from oneglance.data.images.memory_image import memory_image
from oneglance.data.record import ImageRef
from oneglance.errors import DataError, PictureError, needs_extra
from oneglance.inference.annotated_images import write_annotated
from oneglance.inference.answering import Answering
from oneglance.inference.combined.opening import open_answering
from oneglance.inference.engine import BATCH
from oneglance.inference.explanation.explain import explained_pictures
from oneglance.inference.explanation.explainer import Explainer
from oneglance.inference.explanation.map_folder import MapFolder
from oneglance.inference.prediction_files import write_answers
from oneglance.inference.shards.shard import question
from oneglance.parallel.cpus import threads
from oneglance.progress import Screen
from oneglance.results.answers import Answer, Answers
from oneglance.results.explained import Explained, explained
from oneglance.screens.choice import default_screen
from oneglance.storage.remote.addresses import address_of
from oneglance.task import Task

Picture = str | Path | bytes | np.ndarray | Image.Image
"""A path (of a picture, a folder, an archive, a table, or a pattern), the bytes of a picture file, a uint8
array [h, w] or [h, w, 3] in RGB, or a picture that Pillow has opened."""


def load(
    path: str | Path, *, device: str = "auto", precision: str = "", false_alarm: float | None = None
) -> Model:
    """Open a trained network once, to answer many times.

    Args:
        path: a finished run folder, a folder of ``combine``, or an .onnx file that ``export`` wrote, which
            needs no torch.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: of a run folder: ``fp32`` or ``bf16``; default: the configuration's.
        false_alarm: share of familiar pictures that may be called unknown; default: 0.05.

    Raises:
        RunError: it is neither, not finished, or damaged.
        ConfigError: no such device here, or a share of false alarms too small for the validation split.
        MissingExtraError: a run folder needs torch, which is not installed.
    """
    with needs_extra("train", "predict from a run folder"):
        return Model(
            open_answering(path, device=device, precision=precision, false_alarm=false_alarm),
            address_of(path) or str(path),
        )


class Model:
    """A network that is loaded and answers. Several threads may ask it at once.

    ``predictor`` is the layer below it, for canvases and raw outputs.
    """

    def __init__(self, predictor: Answering[Any], name: str = "") -> None:
        self.predictor, self.name = predictor, name

    def __repr__(self) -> str:
        return f"Model({self.name!r}, tasks: {', '.join(self.tasks)})"

    @property
    def tasks(self) -> Mapping[str, Task]:
        """The tasks by name."""
        return self.predictor.tasks

    def predict(
        self,
        pictures: Picture | Iterable[Picture],
        *,
        out: str | Path | None = None,
        draw: str | Path | None = None,
        screen: Screen | None = None,
    ) -> Answers:
        """Answer for every picture.

        Args:
            pictures: one picture or several, in memory or as paths; see ``Picture``.
            out: a .jsonl, .csv, .parquet or .json (COCO) file to write; the list is then empty, so that
                memory does not grow with the number of pictures.
            draw: a folder that gets every picture with the answers drawn on it.

        Returns:
            One answer per picture, in order. A picture that cannot be read has an ``error`` instead.

        Raises:
            DataError: something is no picture, or names none.
            OneglanceError: ``out`` or ``draw`` cannot be written.
        """
        refs = refs_of(pictures, screen)
        if len(refs) == 1 and out is None and draw is None:
            ref = refs[0]
            return Answers([self._answer(row, ref) for row in self._for_single_images.predict(refs)])
        answers = self._stream(refs, draw, screen or default_screen())
        if out is None:
            return Answers(list(answers))
        write_answers(answers, Path(out), self.predictor.example(), self.tasks)
        return Answers([])

    def stream(
        self,
        pictures: Picture | Iterable[Picture],
        *,
        draw: str | Path | None = None,
        screen: Screen | None = None,
    ) -> Iterator[Answer]:
        """The same one by one: memory does not grow with the number of pictures."""
        return self.stream_of(refs_of(pictures, screen), draw=draw, screen=screen)

    def stream_of(
        self,
        refs: Sequence[ImageRef],
        *,
        draw: str | Path | None = None,
        screen: Screen | None = None,
    ) -> Iterator[Answer]:
        """The same for references to pictures, such as ``refs_of`` gives."""
        return self._stream(refs, draw, screen or default_screen())

    def embed(
        self, pictures: Picture | Iterable[Picture], *, task: str = "", screen: Screen | None = None
    ) -> np.ndarray:
        """The feature vectors that all tasks share: float32 [n, d], in order. Of several networks that were
        combined, those of each one after the other. For many pictures: ``oneglance.embed``.

        Args:
            task: whose own features in their place: what its head makes of the shared ones, for other tasks
                that use it; an embedding's are its vectors.

        Raises:
            DataError: something is no picture, names none, or one of them cannot be read.
            ConfigError: there is no such task.
            RunError: ``task`` of an .onnx file, which holds the shared features alone.
        """
        predictor, refs = self.predictor, refs_of(pictures, screen)
        if len(refs) == 1:
            predictor = self._for_single_images
        decoded = decode_with(predictor.decoding, refs, predictor.workers)
        vectors = []
        with closing(screen or default_screen()) as screen:
            while batch := list(islice(decoded, BATCH)):
                for item in batch:
                    if isinstance(item, PictureError):
                        raise DataError(item.what, location=item.location, hint="leave this picture out")
                vectors.append(predictor.vectors(batch, task))
                screen.progress(sum(map(len, vectors)), len(refs), "embedding")
        return np.concatenate(vectors)

    def explain(
        self,
        pictures: Picture | Iterable[Picture],
        *,
        out: str | Path | None = None,
        method: str = "auto",
        tasks: Collection[str] = (),
        screen: Screen | None = None,
    ) -> Explained:
        """A map of what in the picture each answer rests on; see ``oneglance.explain``."""
        explainer = Explainer(self.predictor, method, tasks)
        refs, screen = refs_of(pictures, screen), screen or default_screen()
        folder = None
        if out is not None:
            settings = {"explained": sorted(tasks), "method": method}
            folder = MapFolder(Path(out), question(Path(self.name), (), settings))
        if explainer.remark:
            screen.say(explainer.remark)
        entries: list[tuple[dict[str, Any], Image.Image | None]] = []
        with closing(screen):
            rows = explained_pictures(self.predictor, refs, explainer, folder)
            for done, row in enumerate(rows, 1):
                entries += zip_longest(row.entries, row.drawings)
                screen.progress(done, len(refs), "explaining")
        return explained(entries)

    @cached_property
    def _for_single_images(self) -> Answering[Any]:
        return self.predictor.for_single_images(threads())

    def _answer(self, row: Mapping[str, Any], ref: ImageRef) -> Answer:
        return Answer(row, self.tasks, ref, self.predictor.limits)

    def _stream(self, refs: Sequence[ImageRef], draw: str | Path | None, screen: Screen) -> Iterator[Answer]:
        rows = self.predictor.predict(refs)
        if draw is not None:
            rows = write_annotated(rows, refs, self.tasks, Path(draw), self.predictor.limits)
        with closing(screen):
            for done, (row, ref) in enumerate(zip(rows, refs, strict=True), 1):
                screen.progress(done, len(refs), "predicting")
                yield self._answer(row, ref)


def refs_of(pictures: Picture | Iterable[Picture], screen: Screen | None = None) -> Sequence[ImageRef]:
    """References to pictures that are given as paths or in memory, in order.

    Raises:
        DataError: something is no picture, or names none.
    """
    if isinstance(pictures, str | Path):
        return pictures_at(pictures, screen or default_screen())
    if isinstance(pictures, np.ndarray | bytes | bytearray | memoryview | Image.Image) or not isinstance(
        pictures, Iterable
    ):
        return [memory_image(pictures, "picture 1")]
    items = list(pictures)
    if not items:
        raise DataError("no pictures are given")
    if all(isinstance(item, str | Path) for item in items):
        return pictures_at(items, screen or default_screen())  # type: ignore[arg-type]
    refs: list[ImageRef] = []
    for are_paths, group in groupby(enumerate(items, 1), key=lambda pair: isinstance(pair[1], str | Path)):
        if are_paths:
            paths: list[str | Path] = [item for _, item in group]  # type: ignore[misc]
            refs += pictures_at(paths, screen or default_screen(), beside_others=True)
        else:
            refs += [memory_image(item, f"picture {number}") for number, item in group]
    return refs
