"""What a network gives is looked at before anything is made of it: it may be a stranger's, or damaged."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from oneglance.errors import OneglanceError, RunError
from oneglance.inference.engine import Engine, EngineOutput
from oneglance.inference.familiarity.novelty import Novelty
from oneglance.task import Task
from oneglance.vector_task import VectorTask

LARGEST = 1e18  # of any output: its square is still a float32


def refuse_unusable(output: EngineOutput, pictures: int, location: str = "") -> None:
    """
    Raises:
        RunError: what an engine made of so many pictures are no finite numbers, or not one row for each.
    """
    middle = [] if output.middle is None else [("the features halfway up", output.middle)]
    for name, values in [("the features", output.vectors), *middle, *output.raw.items()]:
        if values.dtype.kind != "f" or values.ndim < 2 or len(values) != pictures:
            raise RunError(
                f"the network has another output for {name} than its tasks need", location=location
            )
        if not (np.abs(values) <= LARGEST).all():  # nor is NaN
            raise RunError(
                f"the network's output for {name} is not finite: its weights are damaged",
                location=location,
                hint="take another copy of it, or train anew",
            )


def try_once(
    engine: Engine,
    tasks: Mapping[str, Task],
    canvas: tuple[int, int],
    novelty: Novelty | None,
    *,
    location: str,
    hint: str,
) -> None:
    """One pass over a blank picture, when a network is opened, and every answer to it.

    Args:
        canvas: width and height in pixels.
        hint: what helps where ``location`` is damaged.

    Raises:
        RunError: the network, what the tasks have learned and what is familiar do not fit each other.
    """
    width, height = canvas
    try:
        output = engine.forward(np.zeros((1, height, width, 3), dtype=np.uint8))
        refuse_unusable(output, 1, location)
        for name, task in tasks.items():
            raw = output.raw[name]
            if isinstance(task, VectorTask) and raw.shape != (1, task.width):
                raise ValueError(f"{name} has another width")
            (prediction,) = task.decode(raw)
            json.dumps(task.visible(prediction), allow_nan=False)
        if novelty is not None:
            novelty.distances(output.vectors, output.middle)
    except OneglanceError:
        raise
    except Exception:  # a foreign file may fail anywhere, in the engine too
        raise RunError(
            "is damaged, or of another version of oneglance", location=location, hint=hint
        ) from None
