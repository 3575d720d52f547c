"""The values of a TIFF that Pillow does not read, such as colours in floating numbers: with ``tifffile``."""

from __future__ import annotations

import io
import logging
from typing import Any

import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from oneglance.errors import PictureError

BITS, SAMPLES, SAMPLE_FORMAT = 0x0102, 0x0115, 0x0153  # tags of TIFF
NUMBERS = {1: "whole numbers", 2: "signed whole numbers", 3: "floating numbers"}
logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what is wrong is said by us
COLOURS = (1, 2, 3, 4)  # grey, grey and alpha, colours, colours and alpha


def tiff_values(loaded: bytes, tags: ImageFileDirectory_v2) -> np.ndarray:
    """The first picture of a TIFF as it is stored: [h, w] or [h, w, 3] of any type of numbers. What comes
    after its colours is left out.

    Raises:
        PictureError: the package is not there or does not read it; it has more channels than a picture has.
    """
    kind = kind_of_numbers(tags)
    if int(tags.get(SAMPLES, 1)) not in COLOURS:
        hint = "choose three of its channels and save them as PNG or TIFF"
        raise PictureError(f"is a TIFF of {kind}: no picture in colour", hint=hint)
    try:
        import tifffile
    except ModuleNotFoundError:
        hint = "pip install 'oneglance[tiff]', or save it as PNG"
        raise PictureError(f"is a TIFF of {kind}, which needs the package tifffile", hint=hint) from None
    try:
        with tifffile.TiffFile(io.BytesIO(loaded)) as file:
            page = file.pages[0]
            axes, declared = page.axes, (int(tags[0x0101]), int(tags[0x0100]))
            values = page.asarray(maxworkers=1)
    except MemoryError:
        raise
    except Exception as error:  # it raises whatever it likes
        if "imagecodecs" in str(error):
            what = f"is a TIFF of {kind}, packed in a way that needs the package imagecodecs"
            raise PictureError(what, hint="pip install imagecodecs, or save it unpacked") from None
        raise PictureError("is damaged") from None
    if axes == "SYX":
        values = np.moveaxis(values, 0, -1)
    if axes not in ("YX", "YXS", "SYX") or values.shape[:2] != declared or values.dtype.kind not in "uif":
        raise PictureError(f"is a TIFF of {kind}, which is no picture that is read", hint="save it as PNG")
    if values.ndim == 2:
        return values
    return values[..., :3] if values.shape[2] >= 3 else values[..., 0]


def kind_of_numbers(tags: ImageFileDirectory_v2) -> str:
    """The values of a TIFF in words: ``3 × 32-bit floating numbers``."""
    bits, numbers = (_first(tags.get(tag, 1)) for tag in (BITS, SAMPLE_FORMAT))
    return f"{tags.get(SAMPLES, 1)} × {bits}-bit {NUMBERS.get(int(numbers), 'numbers')}"


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) and value else value
