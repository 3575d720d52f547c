"""Pictures with the answers to them on them, one file per picture, as the answers come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from oneglance.data.images.decode import Limits
from oneglance.data.images.decoding.decode_pool import upright
from oneglance.data.record import ImageRef
from oneglance.errors import PictureError
from oneglance.inference.drawing import LARGEST, draw, write_drawing
from oneglance.task import Task


def annotated(
    row: Mapping[str, Any],
    ref: ImageRef,
    tasks: Mapping[str, Task],
    limits: Limits,
    *,
    largest: int = LARGEST,
    lines: bool = True,
) -> Image.Image:
    """The picture of one row that ``Predictor.predict`` gave, with its answers drawn on it.

    Args:
        largest: pixels of the longer side.
        lines: also write what is answered of the picture as a whole.

    Raises:
        PictureError: the picture cannot be decoded any more.
        OSError: it cannot be read any more.
    """
    picture = upright(ref, limits, largest)
    across, down = picture.width / row["width"], picture.height / row["height"]  # it may come smaller
    overlays, texts = [], []
    for name, answer in row["answers"].items():
        task = tasks[name]
        overlays += [
            ([x0 * across, y0 * down, x1 * across, y1 * down], caption, number)
            for (x0, y0, x1, y1), caption, number in task.predicted_overlays(answer)
        ]
        # The numbers of an embedding, which nobody answers by itself, are not for reading.
        if task.answered_by == name and not task.is_spatial:
            texts.append(f"{name}: {task.format_prediction(answer)}")
    return draw(picture, overlays, texts if lines else ())


def write_annotated(
    rows: Iterable[dict[str, Any]],
    refs: Sequence[ImageRef],
    tasks: Mapping[str, Task],
    folder: Path,
    limits: Limits,
) -> Iterator[dict[str, Any]]:
    """Hand on what ``Predictor.predict`` yields for ``refs``; of each picture with answers, a drawing is then
    in ``folder``. A picture that cannot be read any more gets an error instead of its answers.

    Raises:
        RunError: the folder cannot be written.
    """
    for row, ref in zip(rows, refs, strict=True):
        if "answers" in row:
            try:
                drawing = annotated(row, ref, tasks, limits)
            except (OSError, PictureError) as error:  # the file has changed since
                reason = error.what if isinstance(error, PictureError) else error.strerror or error
                yield {"image": row["image"], "error": f"cannot be read any more ({reason})"}
                continue
            write_drawing(drawing, folder, ref.name)
        yield row
