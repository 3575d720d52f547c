"""A few validation pictures with what the network answers to them now: for whoever looks on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from oneglance.data.dataset import SplitData
from oneglance.data.images.decode import Limits
from oneglance.data.images.letterbox import Fit
from oneglance.data.images.thumbnail import data_url, thumbnail
from oneglance.data.record import ImageRef
from oneglance.errors import PictureError
from oneglance.task import Task

MOST = 8  # pictures
FIT = Fit(160)  # of each, pixels


class Examples:
    """The pictures, evenly spread over the validation split, and their answers epoch by epoch."""

    def __init__(self, tasks: Mapping[str, Task], split: SplitData, limits: Limits) -> None:
        """
        Args:
            limits: which pictures are refused before they are decoded.
        """
        count = len(split.records)
        self._tasks = tasks
        self._rows = np.linspace(0, count - 1, min(MOST, count)).astype(np.int64)
        chosen = [split.records[row] for row in self._rows.tolist()]
        self._names = [record.image.name for record in chosen]
        self._pictures = [_small(record.image, limits) for record in chosen]
        self._truths = [
            {
                name: "" if (a := record.answers.get(name)) is None else task.format(a)
                for name, task in tasks.items()
            }
            for record in chosen
        ]

    def now(self, epoch: int, raw: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """What examples.json holds: ``{"epoch", "pictures": [{"image", "picture", "answers": {task: {"truth",
        "answer"}}}]}``, the picture as a data URL, or "" where it cannot be read any more.

        Args:
            raw: the output for the whole validation split, float32 [pictures, ...] of each task.
        """
        answers = {
            name: [task.format_prediction(task.visible(one)) for one in task.decode(raw[name][self._rows])]
            for name, task in self._tasks.items()
        }
        pictures = [
            {
                "image": image,
                "picture": picture,
                "answers": {
                    name: {"truth": truths[name], "answer": answers[name][at]} for name in self._tasks
                },
            }
            for at, (image, picture, truths) in enumerate(
                zip(self._names, self._pictures, self._truths, strict=True)
            )
        ]
        return {"epoch": epoch, "pictures": pictures}


def _small(image: ImageRef, limits: Limits) -> str:
    try:
        return data_url(thumbnail(image, FIT, limits)[0])
    except PictureError:
        return ""
