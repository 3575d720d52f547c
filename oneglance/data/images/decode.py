"""The only way a picture enters, anywhere: opened upright in RGB and fitted to a canvas.

Files come from strangers. Only formats whose decoders are worth trusting are opened, sizes are checked
before anything is decoded, and whatever goes wrong is a PictureError in plain words.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from oneglance.config import Config
from oneglance.data.images.letterbox import Fit
from oneglance.data.picture_files.opening import open_picture
from oneglance.data.picture_files.orientation import orientation
from oneglance.data.picture_files.pillow_settings import pillow_settings
from oneglance.data.picture_files.value_range import (
    GUESSED,
    Bounds,
    ValueRange,
    in_8_bits,
    is_inverted,
    kind_of_numbers,
    numbers_of,
)
from oneglance.data.picture_files.wide_values import is_colour, load_pixels, wide_values, without_unmeasured
from oneglance.data.record import ImageRef
from oneglance.errors import PictureError

SECONDS = 15  # for one picture of the usual limits
STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}  # bytes of a pixel in Pillow; else 4


@dataclass(frozen=True)
class Limits:
    """What [pictures] says about decoding: the largest pictures, a guard against bombs, and what is black
    and white where values have more than 8 bits.
    """

    megapixels: float = 200  # millions of pixels
    megabytes: float = 200  # millions of bytes of the file
    values: ValueRange = GUESSED

    @property
    def memory(self) -> int:
        """Bytes that decoding one picture may take, whatever its file says: 5.5 for each pixel that is
        allowed, for Pillow takes 4 for each of the result, and the file itself. With the limits as they are
        by default, a process stays below 1.5 GB; raising [pictures] megapixels raises this too.
        """
        return int(max(5.5e6 * self.megapixels, 250e6) + 1e6 * self.megabytes)

    @property
    def seconds(self) -> int:
        """Seconds that decoding one picture may take: more, the larger they may be."""
        return int(max(SECONDS, self.megapixels / 15))

    @classmethod
    def declared(cls, config: Config) -> Limits:
        """The limits of a configuration."""
        table = config.pictures
        return cls(table.megapixels, table.megabytes, ValueRange.declared(table.value_range))


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """One decoded picture, fitted to the network's input size (the canvas)."""

    pixels: np.ndarray  # uint8 [height, width, 3] of the canvas, RGB
    width: int  # of the upright picture before it was fitted
    height: int
    remark: str = ""  # what is odd about its values


class Upright(NamedTuple):
    """A picture as a person sees it, in RGB; it may be decoded smaller than it is."""

    image: Image.Image
    width: int  # of the whole picture
    height: int
    remark: str = ""


def canvas_of(ref: ImageRef, fit: Fit, limits: Limits) -> Canvas:
    """Load, open and fit one picture.

    Raises:
        PictureError: it is not there, or cannot be decoded whole; ``location`` is the name of ``ref``.
    """
    return canvases_of(ref, [(fit, limits)])[0]


def canvases_of(ref: ImageRef, views: Sequence[tuple[Fit, Limits]]) -> tuple[Canvas, ...]:
    """The same picture on several canvases, each equal to the bit to what ``canvas_of`` gives for it alone.

    Its bytes are read once, and decoded once for all canvases that need it in the same size: a JPEG is
    decoded no larger than a canvas needs, so canvases of very different sizes need a decoding each.

    Raises:
        PictureError: as ``canvas_of``; one of ``views`` refuses it.
    """
    try:
        with _plain_reasons():
            loaded, canvases, decoded = load(ref), [], _Decoded()
            for fit, limits in views:
                seen = _open(loaded, limits, fit, decoded)
                pixels = fit.canvas(seen.image, (seen.width, seen.height))
                canvases.append(Canvas(pixels, seen.width, seen.height, seen.remark))
            return tuple(canvases)
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
        return _open(loaded, limits, Fit(least_side) if least_side else None).image


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


def mask_values(ref: ImageRef, limits: Limits) -> np.ndarray:
    """The values of a mask, upright and as its file holds them: unsigned or int32 [h, w]. Of a palette these
    are the numbers of its colours; other colours are 65536 red + 256 green + blue, from 0 to 255 each.

    Raises:
        PictureError: it is not there, cannot be decoded whole, or is larger than ``limits``.
    """
    try:
        with _plain_reasons(), pillow_settings():
            loaded = load(ref)
            if isinstance(loaded, np.ndarray):
                raise PictureError("is no picture file")
            if len(loaded) > limits.megabytes * 1e6:
                raise _too_large(f"{len(loaded) / 1e6:.0f} megabytes", f"{limits.megabytes:g}", "megabytes")
            file = open_picture(io.BytesIO(loaded))
            _checked((file.width, file.height), limits)
            if not isinstance(file.source, Image.Image):
                raise PictureError("is a TIFF of a kind that is not read as a mask", hint="save it as PNG")
            image = load_pixels(file)
            turn = None if isinstance(image, TiffImageFile) else _TRANSPOSES.get(file.orientation)
            image = image if turn is None else image.transpose(turn)
            if image.mode in ("1", "LA", "La"):
                return np.asarray(image.convert("L"))
            if image.mode in ("L", "P") or image.mode.startswith("I"):
                return np.asarray(image)
            colours = np.asarray(image.convert("RGB")).astype(np.int32)
            return colours[..., 0] * 65536 + colours[..., 1] * 256 + colours[..., 2]
    except PictureError as error:
        raise PictureError(error.what, location=ref.name, hint=error.hint) from None


def load(ref: ImageRef) -> bytes | np.ndarray:
    try:
        return ref.load()
    except (MemoryError, PictureError):
        raise
    except OSError as error:
        raise PictureError(f"cannot be read ({error.strerror or error})") from None
    except Exception as error:  # archives and tables have errors of their own
        raise PictureError(f"cannot be read ({type(error).__name__})") from None


class _Decoded:
    """The picture as it was decoded last, for those that want it in the same way."""

    def __init__(self) -> None:
        self._way: Any = None
        self._seen: Upright | None = None

    def same(self, *way: Any) -> Upright | None:
        """What there is of it; where there is nothing, what there was makes room for what comes."""
        if self._way != way:
            self._way, self._seen = way, None
        return self._seen

    def keep(self, seen: Upright) -> Upright:
        self._seen = seen
        return seen


def _open(
    loaded: bytes | np.ndarray, limits: Limits, fit: Fit | None, decoded: _Decoded | None = None
) -> Upright:
    """The upright RGB picture, decoded no smaller than ``fit`` needs; it may lie in ``decoded`` already."""
    decoded = decoded or _Decoded()
    with pillow_settings():
        if isinstance(loaded, np.ndarray):
            image = _in_rgb(_from_array(loaded, limits))
            return Upright(image, *image.size)
        if len(loaded) > limits.megabytes * 1e6:
            raise _too_large(f"{len(loaded) / 1e6:.0f} megabytes", f"{limits.megabytes:g}", "megabytes")
        file = open_picture(io.BytesIO(loaded))
        stored = _checked((file.width, file.height), limits)
        turn = _TRANSPOSES.get(file.orientation)
        size = stored[::-1] if turn in _SIDEWAYS else stored
        kind = kind_of_numbers(file.source)
        bounds = limits.values.of(kind)
        if isinstance(file.source, ImageFileDirectory_v2) or _needs_values(file.source, kind, bounds):
            if seen := decoded.same(bounds):
                return seen
            values = wide_values(file, loaded)
            if bounds is not None:
                values = without_unmeasured(values, file)
            image, remark = _reduced(values, kind, bounds, is_inverted(file.source))
            drafted = False
        else:
            drafted = fit is not None and _drafted(file.source, stored, fit)
            _refuse_to_make(file.source, limits)
            if seen := decoded.same(file.source.size, getattr(file.source, "decoderconfig", None)):
                return seen
            image, remark = _in_rgb(load_pixels(file)), ""
        if turn is not None and not isinstance(file.source, TiffImageFile):
            image = image.transpose(turn)
        if not drafted and image.size != size:
            raise PictureError("is damaged")  # its pixels have another size than it said
        image.info = {}  # or saving the picture would write the old orientation again
        return decoded.keep(Upright(image, *size, remark))


def _drafted(opened: Image.Image, stored: tuple[int, int], fit: Fit) -> bool:
    """Whether the picture will be decoded smaller than it is, which only JPEG can, yet large enough for
    ``fit`` whichever way it lies: networks were trained on such canvases.
    """
    if not hasattr(opened, "draft"):
        return False
    before = opened.size
    needed = max(fit.placement(*stored), fit.turned.placement(*stored), key=lambda placed: placed.scale_x)
    opened.draft(None, (round(needed.scale_x * stored[0]), round(needed.scale_y * stored[1])))
    return opened.size != before


def _checked(size: tuple[int, int], limits: Limits) -> tuple[int, int]:
    width, height = size
    if width * height > limits.megapixels * 1e6:
        raise _too_large(f"{width}×{height} pixels", f"{limits.megapixels:g}", "megapixels")
    if width * height == 0:
        raise PictureError("has no pixels")
    return size


def _refuse_to_make(opened: Image.Image, limits: Limits) -> None:
    """Before anything is allocated: the pixels as they are stored, and all of them again in RGB."""
    stored = STORED.get(opened.mode, 4)
    made = opened.width * opened.height * (stored if opened.mode == "RGB" else stored + 4)
    if made > limits.memory:
        raise MemoryError


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
        return Image.fromarray(in_8_bits(np.asarray(image), "", None)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGB", image.size, (255, 255, 255))
        white.paste(layer, mask=layer)
        return white
    if image.mode == "RGB":  # the same pixels, free of its tags: those of a large picture may not fit twice
        return image._new(image.im)
    return image.convert("RGB")


def _needs_values(opened: Image.Image, kind: str, bounds: Bounds | None) -> bool:
    """Whether Pillow alone would lose what is to be seen: of colours of 16 bits it gives the upper byte."""
    if is_colour(opened):
        return bool(kind) and bounds not in (None, (0, 65535)) and opened.mode != "CMYK"
    return bool(kind)


def _reduced(values: np.ndarray, kind: str, bounds: Bounds | None, inverted: bool) -> tuple[Image.Image, str]:
    """Values [h, w] or [h, w, 3 or 4] as a picture in RGB, and a remark where not all of them are numbers.

    Raises:
        PictureError: none of them is.
    """
    remark = ""
    if values.dtype.kind == "f":
        wrong = int(np.count_nonzero(~np.isfinite(numbers_of(values))))
        if wrong == values.size:
            raise PictureError("holds no number: all its values are NaN or infinite")
        if wrong:
            remark = f"holds {wrong:,} values that are no numbers (NaN or infinite): they are taken for black"
    reduced = in_8_bits(values, kind, bounds, inverted) if kind else values
    if reduced.ndim == 3 and reduced.shape[2] == 4:
        reduced[..., 3] = values[..., 3] >> 8  # how opaque it is has the whole range
    return _in_rgb(Image.fromarray(reduced)), remark


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
