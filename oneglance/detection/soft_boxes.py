"""What a finished detector found, as arrays that another one learns from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from oneglance.batch_transform import View
from oneglance.detection.box_transforms import moved
from oneglance.detection.criterion import Truth
from oneglance.detection.point_teaching import KEYS, moved_points
from oneglance.nn.feature_shape import Level

MOST = 50  # boxes of a picture from which is learned
LEAST = 0.05  # confidence of a teacher below which nothing is said to be there


class TeacherBoxes:
    """Boxes of n pictures, filled one picture at a time.

    Args:
        most: boxes of a picture, at most.
        known: float [classes]: 1 where the teacher knows the class.
    """

    def __init__(self, count: int, most: int, known: np.ndarray) -> None:
        self.arrays: dict[str, np.ndarray] = {
            "box": np.zeros((count, most, 4), dtype=np.float32),
            "label": np.full((count, most), -1, dtype=np.int64),
            "ignore": np.zeros((count, most), dtype=bool),
            "score": np.zeros((count, most), dtype=np.float32),
            "labelled": np.tile(known.astype(np.float32), (count, 1)),
            "trust": np.ones(count, dtype=np.float32),
        }

    def fill(
        self, row: int, corners: np.ndarray, label: np.ndarray, score: np.ndarray, sure: np.ndarray
    ) -> None:
        """Boxes [k, 4] on the canvas with int64 classes and scores [k], the surest first. Below ``sure`` [k]
        neither yes nor no is learned.
        """
        k = min(len(label), self.arrays["label"].shape[1])
        for name, values in (("box", corners), ("label", label), ("score", score), ("ignore", score < sure)):
            self.arrays[name][row, :k] = values[:k]


def truth(soft: Mapping[str, Tensor]) -> Truth:
    """The boxes of a teacher in the place of true ones."""
    return Truth(*(soft[key] for key in Truth._fields))


def moved_boxes(
    soft: Mapping[str, Tensor],
    view: View,
    levels: Sequence[Level],
    *,
    kept_share: float,
    smallest: float,
) -> dict[str, Tensor]:
    """See ``box_transforms.moved``. What several pictures show counts as the least trusted of them."""
    boxes = {key: value for key, value in soft.items() if key not in (*KEYS, "trust")}
    held = view.holds(soft["trust"])
    trust = torch.where(view.tiles >= 0, held, torch.ones_like(held)).amin(dim=1)
    by_points = moved_points(soft, view, levels) if KEYS[0] in soft else {}
    return {**moved(boxes, view, kept_share=kept_share, smallest=smallest), **by_points, "trust": trust}


def both(soft: Mapping[str, Tensor], partner: Tensor) -> dict[str, Tensor]:
    """Of pictures that are mixed, the boxes of both; a class is known where it is in both. What was said at
    single points is said of neither.
    """
    joined = {}
    for key, value in soft.items():
        if key in KEYS:
            continue
        other = value[partner]
        if key == "labelled":
            joined[key] = value * other
        elif key == "trust":
            joined[key] = torch.minimum(value, other)
        else:
            joined[key] = torch.cat([value, other], dim=1)
    return joined
