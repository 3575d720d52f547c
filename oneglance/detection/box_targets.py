"""Annotated boxes as the arrays that a detector learns from and is scored with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from oneglance.data.record import Box, BoxAnnotations
from oneglance.detection.coco_matching import Predicted, Truth
from oneglance.task import Target
from oneglance.vector_task import VectorTask

if TYPE_CHECKING:
    from oneglance.data.images.letterbox import Placement

SMALLEST = 1.0  # pixels of the canvas: a box that is thinner there is a region to ignore


def on_canvas(box: Box, placement: Placement) -> Box:
    """A box of the upright picture as one of its canvas."""
    x0, y0, x1, y1 = placement.to_canvas(np.array([box.x0, box.y0, box.x1, box.y1])).tolist()
    return replace(box, x0=x0, y0=y0, x1=x1, y1=y1)


def mean_box(name: str, answers: Sequence[BoxAnnotations]) -> list[float]:
    """The corners of the mean box of a class, and how many there are in a picture whose people looked."""
    boxes = [box for answer in answers for box in answer.boxes if not box.ignore and box.label == name]
    queried = sum(answer.queried is None or name in answer.queried for answer in answers)
    corners = [(box.x0, box.y0, box.x1, box.y1) for box in boxes]
    mean = np.mean(corners, axis=0).tolist() if corners else [0.0] * 4
    return [*mean, len(corners) / max(queried, 1)]


def learnable(
    annotations: BoxAnnotations, classes: Sequence[str], canvas: tuple[int, int] | None
) -> list[Box]:
    """The boxes that can be learned: cut to the canvas, of ``classes`` or without a class; those that are
    thin there become regions to ignore.
    """
    boxes = []
    width, height = canvas or (float("inf"), float("inf"))
    for box in annotations.boxes:
        if box.label and box.label not in classes:
            continue  # a class that only other splits have
        cut = replace(
            box, x0=max(box.x0, 0), y0=max(box.y0, 0), x1=min(box.x1, width), y1=min(box.y1, height)
        )
        thin = min(cut.x1 - cut.x0, cut.y1 - cut.y0)
        if thin > 0:  # else it is off the canvas
            boxes.append(replace(cut, ignore=cut.ignore or thin < SMALLEST))
    return boxes


def encode(
    answers: Sequence[BoxAnnotations | None],
    classes: Sequence[str],
    attributes: Mapping[str, VectorTask],
    canvas: tuple[int, int] | None,
) -> Target:
    """The target of n pictures, with room for the m boxes of the fullest one; see ``criterion.Truth``. The
    targets of each attribute follow under ``ATTRIBUTE.KEY`` as [n, m, ...].
    """
    count = len(answers)
    boxes = [[] if answer is None else learnable(answer, classes, canvas) for answer in answers]
    most = max(1, *(len(one) for one in boxes)) if boxes else 1
    index = {name: number for number, name in enumerate(classes)}
    target: Target = {
        "box": np.zeros((count, most, 4), dtype=np.float32),
        "label": np.full((count, most), -1, dtype=np.int64),
        "ignore": np.zeros((count, most), dtype=bool),
        "labelled": np.zeros((count, len(index)), dtype=np.float32),
    }
    for row, (answer, own) in enumerate(zip(answers, boxes, strict=True)):
        if answer is None:
            continue
        queried = classes if answer.queried is None else answer.queried
        target["labelled"][row, [index[name] for name in queried if name in index]] = 1
        for slot, box in enumerate(own):
            target["box"][row, slot] = box.x0, box.y0, box.x1, box.y1
            target["label"][row, slot] = index.get(box.label, len(index))
            target["ignore"][row, slot] = box.ignore or box.label not in index
    for name, task in attributes.items():
        values: list[Any] = [None] * (count * most)
        for row, own in enumerate(boxes):
            for slot, box in enumerate(own):
                values[row * most + slot] = box.attributes.get(name)
        for key, value in task.encode(values).items():
            target[f"{name}.{key}"] = value.reshape(count, most, *value.shape[1:])
    return target


def predicted(boxes: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> Predicted:
    """The predicted boxes of one picture, ``{"box", "label", "confidence"}`` each, as arrays."""
    index = {name: number for number, name in enumerate(classes)}
    return Predicted(
        np.array([box["box"] for box in boxes], dtype=np.float64).reshape(-1, 4),
        np.array([box["confidence"] for box in boxes], dtype=np.float64),
        np.array([index[box["label"]] for box in boxes], dtype=np.int64),
    )


def truths(answers: Sequence[BoxAnnotations], classes: Sequence[str]) -> tuple[list[Truth], np.ndarray]:
    """What ``coco_matching.match`` compares with: the true boxes of each picture, and bool [pictures,
    classes], which classes its annotators looked for.
    """
    index = {name: number for number, name in enumerate(classes)}
    queried = np.ones((len(answers), len(index)), dtype=bool)
    pictures = []
    for row, answer in enumerate(answers):
        if answer.queried is not None:
            queried[row] = [name in answer.queried for name in classes]
        boxes = answer.boxes
        pictures.append(
            Truth(
                np.array([(b.x0, b.y0, b.x1, b.y1) for b in boxes], dtype=np.float64).reshape(-1, 4),
                np.array([index.get(b.label, -1) for b in boxes], dtype=np.int64),
                # A box without a class may be of any; a region of a class that is not ours says nothing.
                np.array([not b.label or (b.ignore and b.label in index) for b in boxes], dtype=bool),
            )
        )
    return pictures, queried
