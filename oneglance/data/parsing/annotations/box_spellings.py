"""The ways in which files write four numbers of a box, and numbers of things."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from oneglance.data.cell import as_text
from oneglance.data.parsing.annotations.box_geometry import NOWHERE, Corners, number

# Usual names of the four numbers, whatever their case: the left, upper, right and lower edge ...
EDGES = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("x0", "y0", "x1", "y1"),
    ("x1", "y1", "x2", "y2"),
    ("left", "top", "right", "bottom"),
)
# ... or the left and upper edge, and the size.
SIZES = (
    ("x", "y", "width", "height"),
    ("x", "y", "w", "h"),
    ("left", "top", "width", "height"),
    ("bbox_x", "bbox_y", "bbox_width", "bbox_height"),
)
# ... or all four in one cell: the left and upper edge, and the size.
TOGETHER = ("bbox", "box", "bounding_box", "boundingbox", "bounding box")
BRACKETS = str.maketrans("", "", "[](){}")
LONGEST = 1000  # characters of a box that is text


class Spelled(NamedTuple):
    """A box as somebody wrote it."""

    corners: Corners  # NaN where that is no box
    edges: bool = False  # four edges were written, not a corner and a size


def spelled_box(value: Any) -> Spelled | None:
    """The box of a value: ``[x, y, width, height]``, the same as text, or an object such as ``{"x": …, "y":
    …, "width": …, "height": …}`` or ``{"xmin": …, …}``. None where there is no value.
    """
    if type(value) is list and len(value) == 4:
        return Spelled(sized(value))
    if value is None or value in ("", [], {}):
        return None
    if isinstance(value, str) and len(value) <= LONGEST:
        value = re.split(r"[\s,;]+", value.translate(BRACKETS).strip(" ,;\t\n"))
    if isinstance(value, list) and len(value) == 4:
        return Spelled(sized(value))
    if isinstance(value, dict):
        values = {str(key).strip().lower(): one for key, one in value.items()}
        for names in (*EDGES, *SIZES):
            if all(name in values for name in names):
                four = [values[name] for name in names]
                return Spelled(spelled_edges(four), True) if names in EDGES else Spelled(sized(four))
    return Spelled(NOWHERE)


def sized(four: Sequence[Any]) -> Corners:
    """The corners of left edge, upper edge, width and height."""
    x, y, width, height = map(number, four)
    return x, y, x + width, y + height


def spelled_edges(four: Sequence[Any]) -> Corners:
    """The corners of the left, upper, right and lower edge."""
    x0, y0, x1, y1 = map(number, four)
    return x0, y0, x1, y1


def identity(value: Any) -> str | None:
    """What a file calls a thing by, so that 3, 3.0 and "3" are the same; None where that is no name."""
    if type(value) is int:  # in nearly all files, a million times
        return str(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    return as_text(value) or None


def word(value: Any) -> str:
    """The same as a word; "" where it is none."""
    return identity(value) or ""


def name_of(entry: Mapping[str, Any], key: str) -> str:
    """A name, which may be a number: ``7`` or ``7.0``; "" where there is none. Text stays as it is."""
    name = entry.get(key)
    return name.strip() if isinstance(name, str) else identity(name) or ""
