"""The only way a picture enters, anywhere: opened upright in RGB and fitted to a canvas.

Files come from strangers. Only formats whose decoders are worth trusting are opened, sizes are checked
before anything is decoded, and whatever goes wrong is a PictureError in plain words.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from oneglance.config import Config
from oneglance.data.images.letterbox import Fit
from oneglance.data.images.opening import open_picture
from oneglance.data.images.orientation import ORIENTATION, orientation
from oneglance.data.images.pillow_settings import pillow_settings
from oneglance.data.images.tiff_values import tiff_values
from oneglance.data.record import ImageRef
from oneglance.errors import PictureError


@dataclass(frozen=True)
class Limits:
    """The largest pictures that are decoded: a guard against bombs."""

    megapixels: float = 200  # millions of pixels
    megabytes: float = 200  # millions of bytes of the file

    @classmethod
    def declared(cls, config: Config) -> Limits:
        """The limits of a configuration."""
        return cls(config.pictures.megapixels, config.pictures.megabytes)


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """One decoded picture, fitted to the network's input size (the canvas)."""

    pixels: np.ndarray  # uint8 [height, width, 3] of the canvas, RGB
    width: int  # of the upright picture before it was fitted
    height: int


def canvas_of(ref: ImageRef, fit: Fit, limits: Limits) -> Canvas:
    """Load, open and fit one picture.

    Raises:
        PictureError: it is not there, or cannot be decoded whole; ``location`` is the name of ``ref``.
    """
    try:
        with _plain_reasons():
            image, (width, height) = _open(load(ref), limits, fit)
            return Canvas(fit.canvas(image, (width, height)), width, height)
    except PictureError as error:
        raise PictureError(error.what, location=ref.name, hint=error.hint) from None


def open_upright(loaded: bytes | np.ndarray, limits: Limits, least_side: int = 0) -> Image.Image:
    """The picture as a person sees it: turned by its orientation, in RGB, transparent pixels on white.

    ``loaded`` is an encoded file or a uint8 array [h, w], [h, w, 3] or [h, w, 4]. Of an animation, the
    first frame. With a ``least_side``, a JPEG may come back smaller (much faster), its longer side at least
    ``least_side`` pixels.

    Raises:
        PictureError: it cannot be decoded whole, or is larger than ``limits``.
    """
    with _plain_reasons():
        return _open(loaded, limits, Fit(least_side) if least_side else None)[0]


def pixels_of(image: Image.Image) -> np.ndarray:
    """A picture that Pillow has opened as a person sees it: uint8 [h, w, 3], RGB.

    Raises:
        PictureError: its file cannot be decoded whole.
    """
    with _plain_reasons(), pillow_settings():
        image.load()
        # Pillow turns a TIFF by itself as it is loaded.
        turn = None if isinstance(image, TiffImageFile) else _TRANSPOSES.get(orientation(image))
        rgb = _in_rgb(image)
        return np.asarray(rgb if turn is None else rgb.transpose(turn))


def load(ref: ImageRef) -> bytes | np.ndarray:
    try:
        return ref.load()
    except (MemoryError, PictureError):
        raise
    except OSError as error:
        raise PictureError(f"cannot be read ({error.strerror or error})") from None
    except Exception as error:  # archives and tables have errors of their own
        raise PictureError(f"cannot be read ({type(error).__name__})") from None


def _open(loaded: bytes | np.ndarray, limits: Limits, fit: Fit | None) -> tuple[Image.Image, tuple[int, int]]:
    """The upright RGB picture, decoded no smaller than ``fit`` needs, and its true upright size."""
    with pillow_settings():
        if isinstance(loaded, np.ndarray):
            image = _in_rgb(_from_array(loaded, limits))
            return image, image.size
        if len(loaded) > limits.megabytes * 1e6:
            raise _too_large(f"{len(loaded) / 1e6:.0f} megabytes", f"{limits.megabytes:g}", "megabytes")
        file = open_picture(io.BytesIO(loaded))
        stored = _checked((file.width, file.height), limits)
        turn = _TRANSPOSES.get(file.orientation)
        size = stored[::-1] if turn in _SIDEWAYS else stored
        if isinstance(file.source, ImageFileDirectory_v2):
            image = _in_rgb(Image.fromarray(_in_8_bits(tiff_values(loaded, file.source))))
            return image if turn is None else image.transpose(turn), size
        with file.source as opened:
            if fit and hasattr(opened, "draft"):
                # Large enough for either way that it may lie: networks were trained on such canvases.
                needed = max(
                    fit.placement(*stored), fit.turned.placement(*stored), key=lambda placed: placed.scale_x
                )
                opened.draft(None, (round(needed.scale_x * stored[0]), round(needed.scale_y * stored[1])))
            drafted = opened.size not in (stored, size)
            if isinstance(opened, TiffImageFile):  # Pillow turns it by itself as it is loaded
                opened.getexif()[ORIENTATION] = file.orientation
                turn = None
            opened.load()
            image = _in_rgb(opened)
        if turn is not None:
            image = image.transpose(turn)
        if not drafted and image.size != size:
            raise PictureError("is damaged")  # its pixels have another size than it said
        image.info = {}  # or saving the picture would write the old orientation again
        return image, size


def _checked(size: tuple[int, int], limits: Limits) -> tuple[int, int]:
    width, height = size
    if width * height > limits.megapixels * 1e6:
        raise _too_large(f"{width}×{height} pixels", f"{limits.megapixels:g}", "megapixels")
    if width * height == 0:
        raise PictureError("has no pixels")
    return size


def _from_array(array: np.ndarray, limits: Limits) -> Image.Image:
    shape, kind = array.shape, array.dtype.name
    fitting = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))
    if kind != "uint8" or not fitting:
        raise PictureError(
            f"is an array of {kind} {list(shape)}", hint="give uint8 [height, width] or [height, width, 3]"
        )
    _checked((shape[1], shape[0]), limits)
    return Image.fromarray(np.ascontiguousarray(array[..., 0] if shape[2:] == (1,) else array))


# ---- colours


def _in_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_in_8_bits(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGB", image.size, (255, 255, 255))
        white.paste(layer, mask=layer)
        return white
    return image.convert("RGB")  # a copy even of RGB, free of the file and its tags


def _in_8_bits(values: np.ndarray) -> np.ndarray:
    """Values of more than 8 bits -> uint8 of the same shape.

    16 bits keep their scale, so that pictures stay comparable. Files of 32 bits do not hold theirs: values
    within 0–1, 0–255 or 0–65535 are taken for that range, others are stretched from darkest to brightest.
    """
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        return (values >> 8).astype(np.uint8)
    values = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 65535:
        values, top = values - low, (high - low) or 1.0
    else:
        top = next(top for top in (1.0, 255.0, 65535.0) if high <= top)
    return np.clip(np.rint(values * (255 / top)), 0, 255).astype(np.uint8)


# ---- orientation

_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # what undoes each EXIF orientation
_SIDEWAYS = {_TRANSPOSES[number] for number in (5, 6, 7, 8)}


# ---- reasons


@contextmanager
def _plain_reasons() -> Iterator[None]:
    try:
        yield
    except PictureError:
        raise
    except MemoryError:
        raise PictureError("needs more memory to decode than there is") from None
    except Exception as error:  # decoders raise whatever they like on damaged files
        raise PictureError("is cut short" if _is_cut_short(error) else "is damaged") from None


def _is_cut_short(error: Exception) -> bool:
    return isinstance(error, EOFError) or any(word in str(error).lower() for word in ("truncated", "eof"))


def _too_large(size: str, allowed: str, unit: str) -> PictureError:
    return PictureError(f"is {size}, more than the {allowed} {unit} allowed", hint=f"raise [pictures] {unit}")
