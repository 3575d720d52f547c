"""Pictures as short vectors, by which those that may be copies are found.

A vector holds the lowest frequencies of a discrete cosine transform, as perceptual hashes do (Zauner 2010,
"Implementation and Benchmarking of Perceptual Image Hash Functions"), but as numbers instead of bits. It is
also taken of windows of the picture: a copy that was cropped looks like one of them as a whole.
"""

from __future__ import annotations

import numpy as np

from oneglance.data.inspection.near_duplicates.thumbnails import SIDE

CELLS = 16  # a window is averaged to so many cells across and down
ORDERS = 8  # of the transform, each way
# Left, right, top and bottom of each window, as shares of the picture; the first is the whole picture.
WINDOWS = np.array(
    [
        (0, 1, 0, 1),
        (0.05, 0.95, 0.05, 0.95),
        (0.1, 0.9, 0.1, 0.9),
        (0.15, 0.85, 0.15, 0.85),
        (0, 0.85, 0, 0.85),
        (0.15, 1, 0, 0.85),
        (0, 0.85, 0.15, 1),
        (0.15, 1, 0.15, 1),
        (0.125, 0.875, 0, 1),  # the middle square of a photograph of 4 by 3
        (0, 1, 0.125, 0.875),
        (0, 0.8, 0, 1),
        (0.2, 1, 0, 1),
        (0, 1, 0, 0.8),
        (0, 1, 0.2, 1),
    ],
    np.float32,
)
_DOWN, _ACROSS = np.array([(i, j) for i in range(ORDERS) for j in range(ORDERS) if 0 < i + j <= ORDERS + 1]).T
WIDTH = len(_DOWN)  # numbers of a vector
MIRROR = np.where(_ACROSS % 2, -1, 1).astype(np.float32)  # times a vector: that of the mirrored picture


class Signatures:
    """Vectors of length 1 whose scalar product says how alike two pictures look. In each frequency they
    differ about equally among the pictures at hand, so that what all of these share counts little.

    Args:
        thumbnails: float32 [n, 48, 48], a sample of the pictures.
    """

    def __init__(self, thumbnails: np.ndarray) -> None:
        spread = _unit(_transform(thumbnails, WINDOWS[0])).std(axis=0)
        self._weight = 1 / np.sqrt(np.maximum(spread, 1e-3))

    def of(self, thumbnails: np.ndarray, window: int = 0, mirrored: bool = False) -> np.ndarray:
        """float32 [n, WIDTH] of thumbnails [n, 48, 48]: of their window with this number in WINDOWS."""
        vectors = _unit(_transform(thumbnails, WINDOWS[window])) * self._weight
        return _unit(vectors * MIRROR if mirrored else vectors)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)).astype(np.float32)


def _transform(thumbnails: np.ndarray, window: np.ndarray) -> np.ndarray:
    left, right, top, bottom = window.tolist()
    across, down = _COSINES @ _averages(left, right), _COSINES @ _averages(top, bottom)
    return (down @ thumbnails @ across.T)[:, _DOWN, _ACROSS]


def _averages(start: float, end: float) -> np.ndarray:
    """float32 [CELLS, SIDE]: the part of a line of pixels from ``start`` to ``end``, averaged to CELLS."""
    edges = SIDE * (start + (end - start) * np.arange(CELLS + 1) / CELLS)
    pixels = np.arange(SIDE)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights = np.maximum(covered, 0)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


_COSINES = np.cos(np.pi * np.arange(ORDERS)[:, None] * (np.arange(CELLS) + 0.5) / CELLS).astype(np.float32)
