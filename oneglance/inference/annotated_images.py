"""Pictures with the answers to them on them, one file per picture, as the answers come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from oneglance.data.images.decode import Limits, open_upright
from oneglance.data.record import ImageRef
from oneglance.inference.drawing import LARGEST, draw, write_drawing
from oneglance.task import Task


def illustrated(
    rows: Iterable[dict[str, Any]],
    refs: Sequence[ImageRef],
    tasks: Mapping[str, Task],
    folder: Path,
    limits: Limits,
) -> Iterator[dict[str, Any]]:
    """Hand on what ``Predictor.predict`` yields for ``refs``; of each picture with answers, a drawing is then
    in ``folder``.

    Raises:
        RunError: the folder cannot be written.
    """
    for row, ref in zip(rows, refs, strict=True):
        if "answers" in row:
            picture = open_upright(ref.load(), limits, least_side=LARGEST)
            across, down = picture.width / row["width"], picture.height / row["height"]  # it may come smaller
            marks, lines = [], []
            for name, answer in row["answers"].items():
                task = tasks[name]
                marks += [
                    ([x0 * across, y0 * down, x1 * across, y1 * down], caption, number)
                    for (x0, y0, x1, y1), caption, number in task.predicted_overlays(answer)
                ]
                # The numbers of an embedding, which nobody answers by itself, are not for reading.
                if task.answered_by == name and not task.is_spatial:
                    lines.append(f"{name}: {task.format_prediction(answer)}")
            write_drawing(draw(picture, marks, lines), folder, ref.name)
        yield row
