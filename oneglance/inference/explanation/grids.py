"""Coarse grids of values as one map over the canvas, and that map over the pixels of the picture itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from oneglance.data.images.letterbox import Placement

FAINT = 0.01  # of a grid's largest value: where one grid has nothing, the others still tell places apart


class Grid(NamedTuple):
    """Values at the positions of a feature map; the middle of the first lies half a stride from the edges."""

    values: np.ndarray  # float [h, w], none below 0
    stride: float  # pixels of the canvas


def joined(grids: Sequence[Grid], size: tuple[int, int]) -> np.ndarray:
    """All grids as one map, float32 [height, width] of a canvas of this width and height, from 0 to 1: their
    geometric mean, so that what is hot is so in fine and coarse ones, each counting by its largest value. All
    0 where nothing is above 0.
    """
    width, height = size
    whole = sum(float(values.max()) for values, _ in grids)
    if not whole > 0:
        return np.zeros((height, width), np.float32)
    logs = np.zeros((height, width), np.float64)
    for values, stride in grids:
        if (most := float(values.max())) > 0:
            across = (np.arange(width) + 0.5) / stride - 0.5
            down = (np.arange(height) + 0.5) / stride - 0.5
            logs += most / whole * np.log1p(between(values / most, down, across) / FAINT)
    heat = np.expm1(logs)
    return np.asarray(heat / heat.max(), dtype=np.float32)


def inside(heat: np.ndarray, shown: tuple[slice, slice]) -> np.ndarray:
    """Only what lies on the picture, not on the padding beside it, its largest value made 1."""
    kept = np.zeros_like(heat)
    kept[shown] = heat[shown]
    return np.asarray(kept / max(float(kept.max()), 1e-12), dtype=np.float32)


def between(values: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Values [h, w] at the rows ``down`` and columns ``across``, which may lie between two and, at an edge,
    half a step beyond: float64 [len(down), len(across)], linear in both directions.
    """
    return weights(down, values.shape[0]) @ values @ weights(across, values.shape[1]).T


def weights(positions: np.ndarray, count: int) -> np.ndarray:
    """float64 [len(positions), count]: how much each of ``count`` values adds at each position."""
    at = np.clip(positions, 0, count - 1)[:, None]
    return np.maximum(1 - np.abs(at - np.arange(count)), 0)


def on_picture(heat: np.ndarray, placement: Placement, size: tuple[int, int]) -> np.ndarray:
    """A map over the canvas as one over the upright picture, where that is drawn ``size`` pixels wide and
    high: float32 [height, width]; NaN where the canvas does not show it.
    """
    width, height = size
    # The middle of each pixel as it is drawn, in pixels of the canvas.
    x = (np.arange(width) + 0.5) * (placement.width / width) * placement.scale_x + placement.left
    y = (np.arange(height) + 0.5) * (placement.height / height) * placement.scale_y + placement.top
    spread = between(heat, y - 0.5, x - 0.5).astype(np.float32)
    hidden = ((y < 0) | (y > heat.shape[0]))[:, None] | ((x < 0) | (x > heat.shape[1]))
    spread[hidden] = np.nan
    return spread
