"""Which of a detector's candidates become predicted boxes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from oneglance.detection.box_ops import iou, suppress
from oneglance.vector_task import sigmoid

CANDIDATES = 300  # points per picture that are considered
FAINTEST = 0.001  # confidence below which a box is dropped, also for the scores


class Kept(NamedTuple):
    """Predicted boxes of one picture by falling confidence; each int64 or float64 [k]."""

    point: np.ndarray
    label: np.ndarray
    score: np.ndarray


def keep(
    raw: np.ndarray,
    classes: int,
    canvas: tuple[int, int] | None,
    *,
    iou: float,
    most: int,
    least: np.ndarray | None = None,
) -> Kept:
    """The boxes of one picture that stay.

    Args:
        raw: [points, 4 + classes + ...], as ``DenseHead`` gives it while not training.
        iou: overlap from which only the more confident of two boxes of a class stays.
        most: boxes per picture.
        least: float64 [classes], the confidence of each from which boxes are wanted; where all are equal,
            those are the same as among all boxes, for only a more confident one removes another.
    """
    corners = cut(raw[:, :4], canvas)
    score = sigmoid(np.asarray(raw[:, 4 : 4 + classes], dtype=np.float64))
    point, label = np.nonzero(score >= (FAINTEST if least is None else np.maximum(least, FAINTEST)))
    order = np.argsort(-score[point, label], kind="stable")[:CANDIDATES]
    point, label = point[order], label[order]
    confidence = score[point, label]
    stay = suppress(corners[point], confidence, label, iou=iou, most=most)
    return Kept(point[stay], label[stay], confidence[stay])


def keep_both(
    raw: np.ndarray,
    classes: tuple[int, int],
    canvas: tuple[int, int] | None,
    *,
    iou: float,
    most: int,
    least: np.ndarray | None = None,
) -> Kept:
    """The same of a head with added classes: each part by itself, so that what is added takes no box away
    from what was known, and then both by falling confidence.

    Args:
        classes: how many were known, and how many are added.
        most: boxes per picture of each part.
    """
    known, middle = classes[0], len(raw) // 2
    columns = np.r_[0:4, 4 + known : raw.shape[1]]
    wanted = (None, None) if least is None else (least[:known], least[known:])
    first = keep(raw[:middle], known, canvas, iou=iou, most=most, least=wanted[0])
    second = keep(raw[middle:, columns], classes[1], canvas, iou=iou, most=most, least=wanted[1])
    second = Kept(second.point + middle, second.label + known, second.score)
    joined = Kept(*(np.concatenate(pair) for pair in zip(first, second, strict=True)))
    order = np.argsort(-joined.score, kind="stable")
    return Kept(*(part[order] for part in joined))


def cut(corners: np.ndarray, canvas: tuple[int, int] | None) -> np.ndarray:
    """Boxes [k, 4] as far as they lie on the canvas, float64."""
    corners = np.asarray(corners, dtype=np.float64)
    return np.clip(corners, 0, np.tile(canvas, 2)) if canvas else corners


def likeness(raw: np.ndarray, box: np.ndarray, label: int) -> np.ndarray:
    """How surely each of n pictures still has a box of a class at a place: the largest product of overlap and
    confidence, float64 [n] (Petsiuk et al. 2021, arXiv 2006.03204, equation 4).

    Args:
        raw: [n, points, 4 + classes + ...].
        box: float64 [4], x0 y0 x1 y1.
    """
    overlap = iou(raw[:, :, :4].reshape(-1, 4), box[None])[:, 0]
    score = sigmoid(np.asarray(raw[:, :, 4 + label], dtype=np.float64))
    return np.asarray((overlap.reshape(score.shape) * score).max(axis=1))
