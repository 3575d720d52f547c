"""Maps from changed pictures: each part is hidden in turn, and what that takes from an answer is what it
mattered.

After Zeiler and Fergus 2014 (arXiv 1311.2901, section 4.2). It needs passes only, so it works with any engine
and any backbone; boxes are compared as in D-RISE (Petsiuk et al. 2021, arXiv 2006.03204). It is slow, and
checks the maps from gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image, ImageFilter

from oneglance.inference.engine import BATCH
from oneglance.report_items import ExplainedAnswer

SHARE = 5  # the shorter side of the picture on its canvas is so many windows long
STEPS = 2  # windows overlap: so many begin within the length of one

Forward = Callable[[np.ndarray], Mapping[str, np.ndarray]]
"""From canvases uint8 [n, h, w, 3] to the raw output of every task."""


def occlusion_heats(
    forward: Forward,
    canvas: np.ndarray,
    shown: tuple[slice, slice],
    answers: Mapping[str, Sequence[ExplainedAnswer]],
) -> dict[str, list[np.ndarray]]:
    """What each answer of each task loses where a part of the picture is hidden: float32 [h, w] of the
    canvas, from 0 to 1.

    Args:
        canvas: uint8 [h, w, 3].
        shown: the rows and columns of it that show the picture.
    """
    windows = windows_of(shown)
    whole = forward(canvas[None])
    before = {
        name: [float(answer.support(whole[name])[0]) for answer in several]
        for name, several in answers.items()
    }
    losses: dict[str, list[list[float]]] = {name: [[] for _ in several] for name, several in answers.items()}
    blurred = hidden(canvas, shown, windows[0])
    for start in range(0, len(windows), BATCH):
        few = windows[start : start + BATCH]
        changed = np.repeat(canvas[None], len(few), axis=0)
        for row, window in enumerate(few):
            changed[row][window] = blurred[window]
        raw = forward(changed)
        for name, several in answers.items():
            for number, answer in enumerate(several):
                losses[name][number] += (before[name][number] - answer.support(raw[name])).tolist()
    return {
        name: [
            spread(np.array(losses[name][number]), windows, canvas.shape[:2], answer.either_way)
            for number, answer in enumerate(several)
        ]
        for name, several in answers.items()
    }


def windows_of(shown: tuple[slice, slice]) -> list[tuple[slice, slice]]:
    """Squares that overlap and cover the picture to its edges, each as often as the others."""
    rows, columns = shown
    side = max(1, round(min(rows.stop - rows.start, columns.stop - columns.start) / SHARE))
    return [(row, column) for row in _stretches(rows, side) for column in _stretches(columns, side)]


def _stretches(whole: slice, side: int) -> list[slice]:
    step = max(1, round(side / STEPS))
    starts = range(whole.start - side + step, whole.stop, step)
    return [slice(max(start, whole.start), min(start + side, whole.stop)) for start in starts]


def hidden(canvas: np.ndarray, shown: tuple[slice, slice], window: tuple[slice, slice]) -> np.ndarray:
    """The canvas with its picture so blurred that nothing of the size of a window can be made out."""
    picture = Image.fromarray(np.ascontiguousarray(canvas[shown]))
    side = max(shown[0].stop - shown[0].start, shown[1].stop - shown[1].start) / SHARE
    blurred = canvas.copy()
    blurred[shown] = np.asarray(picture.filter(ImageFilter.GaussianBlur(side)))
    return blurred


def spread(
    losses: np.ndarray, windows: Sequence[tuple[slice, slice]], size: tuple[int, int], either_way: bool
) -> np.ndarray:
    """Of each pixel the mean loss over the windows that hide it."""
    total, count = np.zeros(size), np.zeros(size)
    for loss, window in zip(losses.tolist(), windows, strict=True):
        total[window] += loss
        count[window] += 1
    mean = total / np.maximum(count, 1)
    heat = np.abs(mean) if either_way else np.maximum(mean, 0)
    return np.asarray(heat / max(heat.max(), 1e-12), dtype=np.float32)
