"""The bounds of COCO's run-length masks.

Why no library does it: pycocotools decodes the whole mask first, whose size a file may declare at will.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

from oneglance.data.parsing.annotations.box_geometry import Corners

LONGEST = 12  # characters of one run: 60 bits


def mask_bounds(mask: Any) -> Corners | None:
    """The bounds of a mask ``{"size": [height, width], "counts": …}``; None where it is empty or damaged.

    The runs go down one column after the other, background and mask in turn, as a list of numbers or as
    the text that pycocotools makes of them. The cost follows their number, never the size of the picture.
    """
    size, counts = (mask.get("size"), mask.get("counts")) if isinstance(mask, dict) else (None, None)
    if not (_is_counts(size) and len(size) == 2 and min(size) > 0):
        return None
    runs = _decoded(counts) if isinstance(counts, str) else counts
    height, width = size
    if not _is_counts(runs) or sum(runs) != height * width:
        return None
    x0, y0, x1, y1, end = width, height, 0, 0, 0
    for index, run in enumerate(runs):
        begin, end = end, end + run
        if index % 2 == 0 or not run:
            continue
        (left, top), (right, low) = divmod(begin, height), divmod(end - 1, height)
        if left != right:  # on over the foot of a column
            top, low = 0, height - 1
        x0, y0, x1, y1 = min(x0, left), min(y0, top), max(x1, right + 1), max(y1, low + 1)
    return (x0, y0, x1, y1) if x1 else None


def _is_counts(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(number) is int and number >= 0 for number in value)


def _decoded(text: str) -> Sequence[int] | None:
    """Five bits a character, the lowest first, each number less the last but one; None where cut short."""
    runs: list[int] = []
    value = bits = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64 or bits >= 5 * LONGEST:
            return None
        value |= (code & 31) << bits
        bits += 5
        if code & 32:  # more of it follows
            continue
        if code & 16:  # negative
            value -= 1 << bits
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = bits = 0
    return None if bits else runs
