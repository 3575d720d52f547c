"""Thumbnails of many pictures in a few large ones, within so many bytes."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from oneglance.features.reduction import evenly

PIXELS = 24_000_000  # of all thumbnails together
BYTES = 16_000_000  # of all sheets together
SMALLEST, LARGEST = 48, 128  # sides of a thumbnail
SHEET = 2_048  # the side of a sheet, in pixels
GROUND = (128, 128, 128)  # beside thumbnails that are not square


@dataclass(frozen=True)
class Plan:
    """Which of n pictures get a thumbnail, and of which size."""

    rows: np.ndarray  # int64: evenly drawn, in order
    side: int  # pixels of the longer side, at most

    @classmethod
    def of(cls, count: int) -> Plan:
        """All of them where the budget allows it: the more pictures, the smaller, and then only some."""
        side = min(LARGEST, max(SMALLEST, math.isqrt(PIXELS // max(count, 1))))
        return cls(evenly(count, PIXELS // side**2), side)


@dataclass(frozen=True)
class Sheets:
    """``slots`` int32 [n]: the number of each picture's cell, row by row, sheet after sheet; -1: it has none.
    ``sizes`` uint8 [n, 2]: width and height of its thumbnail, at the upper left of the cell.
    """

    side: int
    across: int  # cells beside each other, and as many below each other
    slots: np.ndarray
    sizes: np.ndarray
    jpegs: list[bytes]


def sheets(plan: Plan, pictures: Iterable[Image.Image | None], count: int) -> Sheets:
    """
    Args:
        pictures: a thumbnail for each row of the plan; None has none.
        count: n.
    """
    across = SHEET // plan.side
    slots, sizes = np.full(count, -1, np.int32), np.zeros((count, 2), np.uint8)
    jpegs: list[bytes] = []
    canvas, waiting = Image.new("RGB", (SHEET, SHEET), GROUND), list[int]()

    def finish() -> bool:
        """Whether there is room for another sheet."""
        nonlocal canvas
        lines = -(-len(waiting) // across)
        file = io.BytesIO()
        canvas.crop((0, 0, SHEET, lines * plan.side)).save(file, "JPEG", quality=75)
        if sum(map(len, jpegs)) + file.tell() > BYTES:
            slots[waiting] = -1
            return False
        jpegs.append(file.getvalue())
        canvas = Image.new("RGB", (SHEET, SHEET), GROUND)
        waiting.clear()
        return True

    for row, picture in zip(plan.rows.tolist(), pictures, strict=True):
        if picture is None:
            continue
        down, right = divmod(len(waiting), across)
        canvas.paste(picture, (right * plan.side, down * plan.side))
        slots[row] = len(jpegs) * across**2 + len(waiting)
        sizes[row] = picture.size
        waiting.append(row)
        if len(waiting) == across**2 and not finish():
            break
    else:
        if waiting:
            finish()
    return Sheets(plan.side, across, slots, sizes, jpegs)
