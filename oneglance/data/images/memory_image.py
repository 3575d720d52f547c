"""Pictures that lie in no file: encoded bytes, arrays of pixels, and pictures that Pillow has opened."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from oneglance.data.images.decode import pixels_of
from oneglance.data.images.references import printable
from oneglance.data.picture_files.orientation import orientation
from oneglance.data.picture_files.tiff_tags import ORIENTATION
from oneglance.data.record import ImageRef
from oneglance.errors import DataError, PictureError

ACCEPTED = "give a path, a Pillow picture, a uint8 array [height, width] or [height, width, 3], or bytes"


@dataclass(frozen=True, slots=True)
class EncodedImage(ImageRef):
    """The bytes of a picture file."""

    name: str = field(compare=False)
    data: bytes

    def load(self) -> bytes:
        return self.data

    def stamp(self) -> tuple[Any, ...]:
        return (hashlib.sha256(self.data).hexdigest(),)


@dataclass(frozen=True, slots=True, eq=False)
class PixelImage(ImageRef):
    """A uint8 array [h, w] or [h, w, 3]."""

    name: str = field(compare=False)
    pixels: np.ndarray

    def load(self) -> np.ndarray:
        return self.pixels

    def stamp(self) -> tuple[Any, ...]:
        return self.pixels.shape, hashlib.sha256(self.pixels.tobytes()).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class PillowImage(ImageRef):
    """A picture that Pillow has opened. Its file may not be decoded yet, and may turn out to be damaged."""

    name: str = field(compare=False)
    image: Image.Image

    def load(self) -> bytes | np.ndarray:
        if not self.image.mode.startswith(("I", "F")):
            return pixels_of(self.image)
        file = io.BytesIO()  # values of more than 8 bits as a file holds them, which is read as all files are
        turn = 1 if isinstance(self.image, TiffImageFile) else orientation(self.image)
        self.image.save(file, "TIFF", tiffinfo={ORIENTATION: turn})
        return file.getvalue()

    def stamp(self) -> tuple[Any, ...]:
        loaded = self.load()
        if isinstance(loaded, bytes):
            return (hashlib.sha256(loaded).hexdigest(),)
        return loaded.shape, hashlib.sha256(loaded.tobytes()).hexdigest()


@dataclass(frozen=True, slots=True)
class UnreadableImage(ImageRef):
    """Something that was named among pictures and is none, or that could not be fetched."""

    name: str = field()
    what: str

    def load(self) -> bytes:
        raise PictureError(self.what, location=self.name)

    def stamp(self) -> tuple[Any, ...]:
        return self.name, self.what


def memory_image(value: Any, name: str) -> ImageRef:
    """The reference to a picture in memory.

    Args:
        value: bytes of a picture file, an array, or a Pillow picture, which goes by the name of its file if
            it has one.
        name: what messages and answers call it.

    Raises:
        DataError: it is something else, or an array of another type or shape than a picture has.
    """
    if isinstance(value, Image.Image):
        return PillowImage(printable(str(getattr(value, "filename", "") or name)), value)
    if isinstance(value, bytes | bytearray | memoryview):
        return EncodedImage(name, bytes(value))
    if not isinstance(value, np.ndarray):
        kind = "None" if value is None else f"an object of type {type(value).__name__}"
        raise DataError(f"is {kind}, which is no picture", location=name, hint=ACCEPTED)
    grey_or_colour = value.ndim == 2 or (value.ndim == 3 and value.shape[2] in (1, 3, 4))
    if value.dtype != np.uint8 or not grey_or_colour or not value.size:
        hint = "give uint8 [height, width] or [height, width, 3], from 0 to 255"
        if value.ndim == 4:
            hint = "give a batch of pictures as a list: list(array)"
        elif value.ndim == 3 and value.shape[0] in (1, 3) and not grey_or_colour:
            hint = "give uint8 [height, width, 3], channels last"
        what = f"is an array of {value.dtype} {list(value.shape)}"
        raise DataError(what, location=name, hint=hint)
    return PixelImage(name, value)
