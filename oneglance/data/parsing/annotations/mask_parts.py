"""The connected parts of a mask, as the boxes around them.

Why no library does it: scipy comes with ``oneglance[train]`` only, and its ``ndimage.label`` takes one value
at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

MOST_RUNS = 2_000_000  # pieces of rows in one mask; a photograph is no mask
MOST_PARTS = 20_000
SOFT = 64  # values of a mask in grey that has no classes but soft edges, as JPEG leaves behind
MANY, GREY, NEARLY_WHITE = 16, 192, 240  # values, and from which on they are no classes but a soft edge


class Part(NamedTuple):
    """Pixels of one value that touch one another, also at their corners."""

    value: int
    pixels: int
    corners: tuple[int, int, int, int]  # left, top, right and bottom edge


class Inside(NamedTuple):
    """What one mask holds."""

    size: tuple[int, int]  # width and height
    parts: Sequence[Part] | None  # None: it is more a photograph than a mask
    is_soft: bool  # it was cut at half of its largest value


@dataclass(frozen=True)
class MaskReader:
    """Values of a mask [h, w] -> what is inside."""

    whole: bool  # all pixels of a value are one part, wherever they lie
    cuts: bool  # masks in grey with soft edges are cut

    def __call__(self, values: np.ndarray) -> Inside:
        is_soft = self.cuts and has_soft_edges(values)
        if is_soft:
            values = np.where(values > values.max() / 2, 255, 0).astype(np.uint8)
        return Inside((values.shape[1], values.shape[0]), parts(values, self.whole), bool(is_soft))


def has_soft_edges(values: np.ndarray) -> bool:
    """Whether a mask in grey has more values than classes, or such as lie between nothing and 255 where it
    was resized or stored with loss: most of what is inside is 255 and something is just below, or there are
    many values, some of them nearly 255.
    """
    if values.max(initial=0) > 255:
        return False
    counts = np.bincount(values.ravel(), minlength=256)
    there = np.count_nonzero(counts)
    mostly_white = counts[255] > counts[1:255].sum() and counts[GREY:255].any()
    return bool(
        there > SOFT or mostly_white or (there > MANY and np.count_nonzero(counts[NEARLY_WHITE:]) > 3)
    )


def parts(values: np.ndarray, whole: bool = False) -> list[Part] | None:
    """The parts of all values but 0, from top to bottom; None where there are far too many.

    Args:
        values: [h, w] of whole numbers.
        whole: all pixels of a value are one part, wherever they lie.
    """
    height, width = values.shape
    changes = np.ones((height, width), dtype=bool)
    changes[:, 1:] = values[:, 1:] != values[:, :-1]
    rows, starts = np.nonzero(changes)
    ends = np.append(starts[1:], width)
    ends[np.append(rows[1:] != rows[:-1], True)] = width
    of_run = values[rows, starts]
    kept = of_run != 0
    rows, starts, ends, of_run = rows[kept], starts[kept], ends[kept], of_run[kept]
    if len(rows) > MOST_RUNS:
        return None
    if not len(rows):
        return []
    labels = (
        np.unique(of_run, return_inverse=True)[1] if whole else _labels(rows, starts, ends, of_run, width)
    )
    order = np.argsort(labels, kind="stable")
    first = np.flatnonzero(np.append(True, np.diff(labels[order]) != 0))
    if len(first) > MOST_PARTS:
        return None
    rows, starts, ends, of_run = rows[order], starts[order], ends[order], of_run[order]
    boxes = zip(
        of_run[first].tolist(),
        np.add.reduceat(ends - starts, first).tolist(),
        np.minimum.reduceat(starts, first).tolist(),
        np.minimum.reduceat(rows, first).tolist(),
        np.maximum.reduceat(ends, first).tolist(),
        (np.maximum.reduceat(rows, first) + 1).tolist(),
        strict=True,
    )
    return sorted(
        (Part(v, n, (x0, y0, x1, y1)) for v, n, x0, y0, x1, y1 in boxes), key=lambda one: one.corners[1::-1]
    )


def _labels(
    rows: np.ndarray, starts: np.ndarray, ends: np.ndarray, of_run: np.ndarray, width: int
) -> np.ndarray:
    """int [runs]: equal for runs that touch, directly or through others."""
    # The runs of the row above that begin at or before the end of a run and end at or behind its beginning.
    scale = width + 2
    low = np.searchsorted(rows * scale + ends, (rows - 1) * scale + starts, side="left")
    high = np.searchsorted(rows * scale + starts, (rows - 1) * scale + ends, side="right")
    counts = np.maximum(high - low, 0)
    below = np.repeat(np.arange(len(rows)), counts)
    above = np.arange(len(below)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(low, counts)
    same = of_run[below] == of_run[above]
    below, above = below[same], above[same]
    labels = np.arange(len(rows))
    while True:
        smaller = np.minimum(labels[below], labels[above])
        before = labels.copy()
        np.minimum.at(labels, before[below], smaller)
        np.minimum.at(labels, before[above], smaller)
        labels = labels[labels]
        if np.array_equal(labels, before):
            return labels
