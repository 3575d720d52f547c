"""How much boxes overlap, and which of several boxes around one thing stays.

Why no library: suppression runs after any engine, on NumPy alone; torchvision is what the tests compare with.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def intersection(a: np.ndarray, b: np.ndarray, dtype: type[np.floating[Any]] = np.float64) -> np.ndarray:
    """Common area of each box of ``a`` [n, 4] with each of ``b`` [m, 4], x0 y0 x1 y1, finite: [n, m].

    0 where one of the two has no area, swapped corners included.
    """
    one, two = (np.ascontiguousarray(np.asarray(boxes).T, dtype=dtype) for boxes in (a, b))
    low = np.maximum(one[:2, :, None], two[:2, None, :])
    high = np.minimum(one[2:, :, None], two[2:, None, :])
    sides = np.maximum(np.subtract(high, low, out=high), 0, out=low)
    return np.multiply(sides[0], sides[1], out=sides[0])


def area(boxes: np.ndarray) -> np.ndarray:
    """Area of ``boxes`` [n, 4]: float64 [n]; 0 where corners are swapped."""
    boxes = np.asarray(boxes, dtype=np.float64)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return sides[:, 0] * sides[:, 1]


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of each box of ``a`` [n, 4] with each of ``b`` [m, 4]: float64 [n, m], 0 to 1.

    0 where one of the two has no area.
    """
    common = intersection(a, b)
    union = area(a)[:, None] + area(b) - common
    return np.divide(common, union, out=np.zeros_like(common), where=common > 0)


def coverage(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The share of each box of ``a`` [n, 4] that lies in each of ``b`` [m, 4]: float64 [n, m], 0 to 1.

    0 where one of the two has no area.
    """
    common = intersection(a, b)
    return np.divide(common, area(a)[:, None], out=np.zeros_like(common), where=common > 0)


def suppress(
    boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, iou: float = 0.6, most: int = 100
) -> np.ndarray:
    """Non-maximum suppression within each class: the indices of the boxes that stay, by falling score.

    From the most confident on, each box that stays removes those of its class that overlap it by more than
    ``iou``. Among equal scores the first comes first.

    Args:
        boxes: [n, 4], x0 y0 x1 y1.
        scores: [n].
        classes: int [n].
        most: how many boxes stay in all.

    Returns:
        int64 [k], k at most ``most``.
    """
    order = np.argsort(-np.asarray(scores), kind="stable").astype(np.int64)
    removes = _overlap(boxes[order], iou)
    removes &= np.equal.outer(classes[order], classes[order])
    stays = np.ones(len(order), dtype=bool)
    # Few boxes overlap any weaker one; the others need no step.
    for index in np.flatnonzero(np.triu(removes, 1).any(axis=1)):
        if stays[index]:
            stays[index + 1 :] &= ~removes[index, index + 1 :]
    return order[stays][:most]


def _overlap(boxes: np.ndarray, least: float) -> np.ndarray:
    """Which of ``boxes`` [n, 4] overlap by an IoU above ``least``: bool [n, n]."""
    # float32 and without the division of ``iou``: this is most of what boxes cost after the network.
    common = intersection(boxes, boxes, np.float32)
    own = area(boxes).astype(np.float32)
    union = np.add.outer(own, own)
    union -= common
    union *= np.float32(least)
    return np.greater(common, union)  # so that boxes without an area, where both are 0, overlap nothing
