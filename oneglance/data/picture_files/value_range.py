"""How values of more than 8 bits become 8 bits: one range per kind of numbers for all pictures of a set.

Files of 16 bits often hold values of a camera of 12, floating numbers may have any range, and what is black
and white must be the same in all pictures, or they could not be compared. So the range is measured over a
sample of the training pictures (``measured_range``), or given, and kept with the network. Where neither was
done, as in networks of before, each file is guessed by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from oneglance.data.picture_files.tiff_tags import BITS, PHOTOMETRIC, SAMPLE_FORMAT, first

Bounds = tuple[float, float]  # the values that are black and white

KINDS = ("16-bit", "integer", "float")  # whole numbers of 16 bits from 0, others, and floating numbers
WHOLE_TOPS = (255, 1023, 4095, 16383, 65535)  # whole numbers of 8, 10, 12, 14 and 16 bits end there
FLOAT_TOPS = (1.0, 255.0, 65535.0)
NO_NUMBER = 1e30  # files write a value beyond this where nothing was measured


@dataclass(frozen=True)
class ValueRange:
    """The range of each kind of numbers; of a kind that is missing, each file is guessed by itself."""

    bounds: tuple[tuple[str, Bounds], ...] = ()  # by kind

    @classmethod
    def declared(cls, written: Any) -> ValueRange:
        """From the key of the configuration: ``auto``, one pair for all kinds, or a pair for each."""
        if isinstance(written, Mapping):
            return cls(tuple((kind, tuple(written[kind])) for kind in KINDS if kind in written))
        return cls() if isinstance(written, str) else cls(tuple((kind, tuple(written)) for kind in KINDS))

    def of(self, kind: str) -> Bounds | None:
        """What is black and white among numbers of this kind; None: to be guessed from each file."""
        return next((bounds for own, bounds in self.bounds if own == kind), None)


GUESSED = ValueRange()
"""Nobody has measured or said anything."""


def kind_of_numbers(source: Image.Image | ImageFileDirectory_v2) -> str:
    """The kind of a picture that is opened and not loaded yet: one of ``KINDS``, "" for 8 bits."""
    if isinstance(source, ImageFileDirectory_v2):
        form, bits = first(source, SAMPLE_FORMAT), first(source, BITS)
        return (
            "float" if form == 3 else "" if bits <= 8 else "16-bit" if (form, bits) == (1, 16) else "integer"
        )
    if source.mode.startswith("I;16") or ";16" in raw_mode(source):
        return "16-bit" if "S" not in raw_mode(source) else "integer"
    if source.mode == "I":
        return "16-bit" if source.format in ("PNG", "PPM") else "integer"
    return "float" if source.mode == "F" else ""


def raw_mode(image: Image.Image) -> str:
    """How the pixels lie in the file, in the words of Pillow; "" where it does not say."""
    tiles = getattr(image, "tile", None)
    if not tiles:
        return ""
    arguments = tiles[0][3]
    raw = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return raw if isinstance(raw, str) else ""


def is_inverted(source: Image.Image | ImageFileDirectory_v2) -> bool:
    """Whether 0 is white, of values that are not in 8 bits: of those Pillow does it."""
    tags = source.tag_v2 if isinstance(source, TiffImageFile) else source
    return isinstance(tags, ImageFileDirectory_v2) and tags.get(PHOTOMETRIC) == 0


def in_8_bits(values: np.ndarray, kind: str, bounds: Bounds | None, inverted: bool = False) -> np.ndarray:
    """Values of any shape -> uint8 of that shape. What is no number is black, or white where ``inverted``."""
    if bounds is None:
        return _guessed(values)
    low, high = bounds
    if kind == "16-bit" and low == 0 and high in WHOLE_TOPS and values.dtype.kind == "u":
        reduced = (np.minimum(values, int(high)).astype(np.uint16) >> (int(high).bit_length() - 8)).astype(
            np.uint8
        )
    else:
        numbers = numbers_of(values)
        scaled = (numbers - np.float32(low)) * np.float32(255 / (high - low))
        reduced = np.clip(np.rint(np.nan_to_num(scaled, nan=0.0)), 0, 255).astype(np.uint8)
    return 255 - reduced if inverted else reduced


def numbers_of(values: np.ndarray) -> np.ndarray:
    """The values as float32, NaN where nothing was measured."""
    numbers = values.astype(np.float32)
    if values.dtype.kind == "f":
        numbers[np.abs(numbers) > NO_NUMBER] = np.nan
    return numbers


def range_of(kind: str, low: float, high: float) -> Bounds:
    """What is to be black and white where the values of a set lie from ``low`` to ``high``.

    They begin at 0 and end where numbers of so many bits do, if the values fill a good part of that; else
    black and white are the lowest and the highest value themselves.
    """
    tops: tuple[float, ...] = FLOAT_TOPS if kind == "float" else WHOLE_TOPS
    least = 0.5 if kind == "float" else 0.249
    if kind == "float" and -1 <= low < 0 and high <= 1:
        return -1.0, 1.0
    if low >= 0 and (high - low) * 4 >= high > 0:
        top = next((top for top in tops if high <= top), high)
        if kind == "float" and top == 1.0:
            return 0.0, 1.0
        return 0.0, float(top) if high >= least * top else float(high)
    return float(low), float(high) if high > low else float(low) + 1


def _guessed(values: np.ndarray) -> np.ndarray:
    """From the values of one file alone. 16 bits keep their scale; of other numbers, values within 0–1,
    0–255 or 0–65535 are taken for that range, and others are stretched from darkest to brightest.
    """
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        return (values >> 8).astype(np.uint8)
    values = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 65535:
        values, top = values - low, (high - low) or 1.0
    else:
        top = next(top for top in FLOAT_TOPS if high <= top)
    return np.clip(np.rint(values * (255 / top)), 0, 255).astype(np.uint8)
