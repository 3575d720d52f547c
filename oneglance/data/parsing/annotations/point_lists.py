"""Outlines as JSON writes them: lists of points, each a list of x and y."""

from __future__ import annotations

import math
from typing import Any

from oneglance.data.parsing.annotations.box_geometry import NOWHERE, Corners, bounds, number


def points(value: Any) -> list[tuple[float, float]]:
    """The points of a list such as ``[[10, 20], [30, 25.5]]``; NaN where one is no pair of numbers."""
    pairs = value if isinstance(value, list) else [None]
    return [
        (number(pair[0]), number(pair[1])) if isinstance(pair, list) and len(pair) == 2 else (math.nan,) * 2
        for pair in pairs
    ]


def outline(value: Any, least: int = 2) -> Corners:
    """The bounds of a list of points; four NaN where it has fewer than ``least``."""
    pairs = points(value)
    return bounds(pairs) if len(pairs) >= least else NOWHERE


def circle(value: Any) -> Corners:
    """The bounds of a circle that is written as its centre and a point of its edge."""
    pairs = points(value)
    if len(pairs) != 2:
        return NOWHERE
    (x, y), edge = pairs
    radius = math.hypot(edge[0] - x, edge[1] - y)
    return (x - radius, y - radius, x + radius, y + radius) if math.isfinite(radius) else NOWHERE
