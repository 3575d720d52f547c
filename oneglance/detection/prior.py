"""The constant baseline of a detector: the same boxes for every picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from oneglance.nn.feature_shape import Level


def constant_points(levels: Sequence[Level], bins: int, logits: np.ndarray) -> np.ndarray:
    """The raw output of a new network: ``logits`` (of classes and attributes) at every point, and a box
    about it of the size that it begins with; float32 [1, points, ...] as while training.
    """
    from oneglance.detection.anchor_points import points
    from oneglance.detection.head import lean

    x, y, stride = (part.numpy() for part in points(levels))
    side = lean(bins).numpy()
    share = np.exp(side) / np.exp(side).sum()
    reach = stride * float(share @ np.arange(bins))
    columns = [x - reach, y - reach, x + reach, y + reach]
    columns += [np.full_like(x, value) for value in [*logits.tolist(), *np.tile(side, 4).tolist()]]
    return np.stack(columns, axis=1)[None].astype(np.float32)
