"""What a head may count on, as plain numbers."""

from __future__ import annotations

from typing import NamedTuple


class Level(NamedTuple):
    """One of the maps that a backbone gives."""

    channels: int
    height: int  # places down the map
    width: int
    stride: int  # pixels of the canvas from one place to the next


class Shape(NamedTuple):
    """What a head may count on."""

    vector: int  # width of the feature vector
    maps: tuple[Level, ...] = ()  # fine to coarse; none where a backbone does not see places
    canvas: tuple[int, int] = (0, 0)  # width and height of the pictures in pixels
