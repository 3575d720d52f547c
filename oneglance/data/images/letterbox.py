"""How an upright picture is scaled onto the canvas, the network's input, and how boxes go there and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oneglance.config import Config

FloatArray = NDArray[np.float64]

PADDING = (124, 116, 104)  # the grey around a letterboxed picture: the mean colour of ImageNet


@dataclass(frozen=True, slots=True)
class Placement:
    """Scale and offset of a picture on its canvas; they follow from the upright picture's size."""

    scale_x: float  # canvas pixels per picture pixel
    scale_y: float  # differs from scale_x only by rounding to whole pixels
    left: int  # where the picture's left edge lies on the canvas; negative where a crop cuts it off
    top: int
    width: int  # of the upright picture, in pixels
    height: int

    def to_canvas(self, boxes: FloatArray) -> FloatArray:
        """Boxes [n, 4] as x0, y0, x1, y1 in picture pixels -> the same in canvas pixels, float64.

        Nothing is clipped: a crop leaves boxes partly or wholly outside the canvas.
        """
        boxes = np.asarray(boxes, np.float64)
        return boxes * self._scales() + self._offsets()

    def to_image(self, boxes: FloatArray) -> FloatArray:
        """The inverse of ``to_canvas``."""
        boxes = np.asarray(boxes, np.float64)
        return (boxes - self._offsets()) / self._scales()

    def _scales(self) -> FloatArray:
        return np.array([self.scale_x, self.scale_y] * 2, np.float64)

    def _offsets(self) -> FloatArray:
        return np.array([self.left, self.top] * 2, np.float64)


@dataclass(frozen=True, init=False)
class Fit:
    """How any picture becomes a canvas of ``width`` x ``height`` pixels.

    ``letterbox``: the whole picture, with grey padding. ``crop``: its middle, as much as fills the canvas.
    """

    width: int
    height: int
    fit: Literal["letterbox", "crop"]

    def __init__(self, size: int | tuple[int, int], fit: Literal["letterbox", "crop"] = "letterbox") -> None:
        """``size``: the side of a square canvas, or width and height."""
        width, height = (size, size) if isinstance(size, int) else size
        for name, value in {"width": width, "height": height, "fit": fit}.items():
            object.__setattr__(self, name, value)

    @classmethod
    def declared(cls, config: Config) -> Fit:
        """The canvas of a configuration."""
        return cls(config.backbone.size, config.pictures.fit)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a canvas as an array."""
        return self.height, self.width, 3

    @property
    def nbytes(self) -> int:
        """Of a canvas."""
        return 3 * self.width * self.height

    @property
    def turned(self) -> Fit:
        """The same for pictures that lie on their side."""
        return Fit((self.height, self.width), self.fit)

    def placement(self, width: int, height: int) -> Placement:
        """The placement of an upright picture of ``width`` x ``height`` pixels: one pixel of it at least."""
        tighter = min if self.fit == "letterbox" else max
        edges = ((self.width, width), (self.height, height))
        filled, side = tighter(edges, key=lambda edge: edge[0] / edge[1])
        across, down = (max(1, round(edge * filled / side)) for edge in (width, height))
        left, top = (self.width - across) // 2, (self.height - down) // 2
        return Placement(across / width, down / height, left, top, width, height)

    def shown(self, width: int, height: int) -> tuple[slice, slice]:
        """The rows and columns of the canvas that show an upright picture of this size, without padding."""
        placed = self.placement(width, height)
        x = _visible(placed.left, placed.scale_x * width, self.width)
        y = _visible(placed.top, placed.scale_y * height, self.height)
        return slice(*y), slice(*x)

    def canvas(self, image: Image.Image, upright: tuple[int, int] | None = None) -> np.ndarray:
        """The RGB ``image`` on its canvas: uint8 [height, width, 3].

        ``upright`` is the picture's true width and height where ``image`` was decoded smaller.
        """
        width, height = upright or image.size
        placement = self.placement(width, height)
        x0, x1 = _visible(placement.left, placement.scale_x * width, self.width)
        y0, y1 = _visible(placement.top, placement.scale_y * height, self.height)
        # The visible region, in pixels of `image`; rounding must not lead outside it.
        shrunk_x, shrunk_y = (
            placement.scale_x * width / image.width,
            placement.scale_y * height / image.height,
        )
        box = (
            max(0.0, (x0 - placement.left) / shrunk_x),
            max(0.0, (y0 - placement.top) / shrunk_y),
            min(float(image.width), (x1 - placement.left) / shrunk_x),
            min(float(image.height), (y1 - placement.top) / shrunk_y),
        )
        # A gap of 3 lets Pillow average whole blocks first: far faster on large pictures, no visible change.
        resized = image.resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR, box=box, reducing_gap=3.0)
        canvas = np.empty(self.shape, np.uint8)
        canvas[:] = PADDING
        canvas[y0:y1, x0:x1] = np.asarray(resized)
        return canvas


def _visible(start: int, length: float, side: int) -> tuple[int, int]:
    return max(0, start), min(side, start + round(length))
