"""The values of a TIFF that Pillow does not read, such as colours in floating numbers: with ``tifffile``."""

from __future__ import annotations

import io
import logging

import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from oneglance.data.picture_files.tiff_tags import BITS, HEIGHT, SAMPLE_FORMAT, SAMPLES, WIDTH, first
from oneglance.errors import PictureError

NUMBERS = {1: "whole numbers", 2: "signed whole numbers", 3: "floating numbers"}
logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what is wrong is said by us
COLOURS = (1, 2, 3, 4)  # grey, grey and alpha, colours, colours and alpha


def tiff_values(loaded: bytes, tags: ImageFileDirectory_v2) -> np.ndarray:
    """The first picture of a TIFF as it is stored: [h, w] or [h, w, 3] of any type of numbers. What comes
    after its colours is left out.

    Raises:
        PictureError: the package is not there or does not read it; it has more channels than a picture has.
    """
    kind = _described(tags)
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
            axes, declared = page.axes, (int(tags[HEIGHT]), int(tags[WIDTH]))
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


def _described(tags: ImageFileDirectory_v2) -> str:
    """The values of a TIFF in words: ``3 × 32-bit floating numbers``."""
    bits, numbers = first(tags, BITS), first(tags, SAMPLE_FORMAT)
    return f"{tags.get(SAMPLES, 1)} × {bits}-bit {NUMBERS.get(int(numbers), 'numbers')}"
