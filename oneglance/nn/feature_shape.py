"""What a head may count on, as plain numbers."""

from __future__ import annotations

from typing import NamedTuple


class Level(NamedTuple):
    """One of the maps that a backbone gives."""

    channels: int
    height: int  # rows of the map
    width: int
    stride: int  # pixels of the canvas from one cell to the next


class Shape(NamedTuple):
    """What a head may count on."""

    vector: int  # width of the feature vector
    maps: tuple[Level, ...] = ()  # fine to coarse; none where a backbone gives no maps
    canvas: tuple[int, int] = (0, 0)  # width and height of the pictures in pixels
