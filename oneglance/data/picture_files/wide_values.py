"""The values of a picture that has more than 8 bits for each, as its file holds them."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from oneglance.data.picture_files.opening import Opened, open_picture
from oneglance.data.picture_files.tiff_tags import NOTHING_MEASURED, ORIENTATION
from oneglance.data.picture_files.tiff_values import tiff_values
from oneglance.data.picture_files.value_range import raw_mode

SWAPPED = {"B": "L", "L": "B", "N": "B"}  # the order of the bytes the other way round, on this machine


def load_pixels(file: Opened) -> Image.Image:
    """The pixels of a picture that Pillow has opened: of a TIFF upright, of others as they are stored."""
    assert isinstance(file.source, Image.Image)
    if isinstance(file.source, TiffImageFile):
        file.source.getexif()[ORIENTATION] = file.orientation  # Pillow turns it by itself as it is loaded
    file.source.load()
    return file.source


def wide_values(file: Opened, loaded: bytes) -> np.ndarray:
    """[h, w], [h, w, 3] or, with alpha, [h, w, 4] of any numbers, turned as ``load_pixels`` turns it."""
    if isinstance(file.source, ImageFileDirectory_v2):
        return tiff_values(loaded, file.source)
    image = load_pixels(file)
    if not is_colour(image):
        return np.asarray(image)
    # Pillow gives the upper byte of each value; in a file with its bytes swapped that would be the lower one.
    lower = open_picture(io.BytesIO(loaded))
    upper = np.asarray(image).astype(np.uint16)
    if not isinstance(lower.source, Image.Image) or not _swap(lower.source):
        return upper * np.uint16(257)
    return upper * np.uint16(256) + np.asarray(load_pixels(lower))


def without_unmeasured(values: np.ndarray, file: Opened) -> np.ndarray:
    """The values; as float32 with NaN where the file says that nothing was measured, as maps do."""
    tags = file.source.tag_v2 if isinstance(file.source, TiffImageFile) else file.source
    if not isinstance(tags, ImageFileDirectory_v2) or NOTHING_MEASURED not in tags:
        return values
    try:
        nothing = values.dtype.type(float(str(tags[NOTHING_MEASURED]).strip(" \0")))
    except (ValueError, OverflowError):
        return values
    absent = values == nothing
    return np.where(absent, np.float32(np.nan), values.astype(np.float32)) if absent.any() else values


def is_colour(image: Image.Image) -> bool:
    """Whether Pillow has opened it with several bands."""
    return len(image.getbands()) > 1


def _swap(image: Image.Image) -> bool:
    """Read the bytes of each value in the other order; False where Pillow cannot do so."""
    name, _, order = raw_mode(image).partition(";16")
    if order not in SWAPPED or name.startswith("L"):
        return False
    raw = f"{name};16{SWAPPED[order]}"
    tiles = []
    for tile in image.tile:  # type: ignore[attr-defined]
        arguments = (raw, *tile[3][1:]) if isinstance(tile[3], tuple) else raw
        tiles.append(tile._replace(args=arguments) if hasattr(tile, "_replace") else (*tile[:3], arguments))
    image.tile = tiles  # type: ignore[attr-defined]
    return True
