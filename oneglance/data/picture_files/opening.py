"""How a picture's file is opened: what it is, its size and orientation, before any pixel is decoded.

The header, by which boxes are read, and the decoder both begin here, so that they cannot disagree. What is
not opened is named as what it is.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import IO

from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from oneglance.data.picture_files.formats import Format, format_of, stranger, with_ending
from oneglance.data.picture_files.orientation import orientation
from oneglance.data.picture_files.pillow_settings import FORMATS, has_heif
from oneglance.data.picture_files.tiff_tags import (
    DNG_VERSION,
    HEIGHT,
    KIND,
    PHOTOMETRIC,
    SUB_FOLDERS,
    WIDTH,
)
from oneglance.errors import PictureError

BEGINNING = 4096  # bytes by which a file is recognised
LARGEST_ICON = 1024  # pixels of a side of an icon that is a bitmap; 256 is the most that editors write
MOSAIC, LINEAR_RAW = 32803, 34892  # photometric interpretations of a camera's raw values


@dataclass(frozen=True)
class Opened:
    """A picture that is opened and not decoded yet. Width and height in pixels are as its file stores them;
    ``orientation``, from 1 to 8, turns it upright.
    """

    width: int
    height: int
    orientation: int
    source: Image.Image | ImageFileDirectory_v2  # of its pixels; tags: of a TIFF that Pillow does not read


def open_picture(file: IO[bytes]) -> Opened:
    """Open a picture from the beginning of ``file``, inside of ``pillow_settings``.

    Raises:
        PictureError: it is no picture, or one that is not read here.
    """
    beginning = file.read(BEGINNING)
    file.seek(0)
    known = format_of(beginning)
    if known is not None and not known.opened:
        raise PictureError(known.not_opened, hint=known.hint)
    if known is not None and ".ico" in known.endings:
        file = _icon(file)
    image = _image(file, known)
    if image is None:
        return _not_opened(file, beginning, known)
    if not isinstance(image, TiffImageFile):
        return Opened(*image.size, orientation(image, file), image)
    tags = image.tag_v2
    if _is_raw(tags):
        raise _raw()
    # Some releases of Pillow give the size of a TIFF turned already.
    return Opened(int(tags[WIDTH]), int(tags[HEIGHT]), orientation(image), image)


def _image(file: IO[bytes], known: Format | None) -> Image.Image | None:
    image = _image_as(("TGA",) if known is None and _is_targa(file) else FORMATS, file)
    if image is None and known is not None and known.package and has_heif():
        image = _image_as(("HEIF",), file)
    return image


def _image_as(formats: tuple[str, ...], file: IO[bytes]) -> Image.Image | None:
    file.seek(0)
    try:
        return Image.open(file, formats=formats)
    except UnidentifiedImageError:
        return None
    except KeyError:  # a TIFF that is packed in a way unknown to Pillow
        return None


def _not_opened(file: IO[bytes], beginning: bytes, known: Format | None) -> Opened:
    """A TIFF that Pillow does not read but another package may.

    Raises:
        PictureError: it is something else, with the true cause.
    """
    if known is None:
        what, hint = stranger(beginning)
        raise PictureError(what, hint=hint)
    if ".tif" in known.endings:
        tags = _tags(file, beginning)
        if tags is not None:
            if _is_raw(tags):
                raise _raw()
            return Opened(int(tags[WIDTH]), int(tags[HEIGHT]), orientation(tags), tags)
    if ".jpg" in known.endings and (bits := _bits_of_jpeg(file)) > 8:
        hint = "save it as PNG of 16 bits"
        raise PictureError(f"is a JPEG of {bits} bits, which only the package imagecodecs reads", hint=hint)
    if known.package and has_heif():
        raise PictureError("is damaged")
    raise PictureError(known.not_opened, hint=known.hint if known.package else "")


def _bits_of_jpeg(file: IO[bytes]) -> int:
    """Bits of each value of a JPEG; 0 where that is not to be seen."""
    file.seek(2)
    for _ in range(1000):
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF:
            return 0
        marker, length = head[1], struct.unpack(">H", head[2:])[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return (file.read(1) or b"\0")[0]
        file.seek(max(length - 2, 0), io.SEEK_CUR)
    return 0


# ---- TIFF


def _tags(file: IO[bytes], beginning: bytes) -> ImageFileDirectory_v2 | None:
    """The first directory of a TIFF; None where it is damaged."""
    try:
        tags = ImageFileDirectory_v2(beginning[:16] if 43 in beginning[2:4] else beginning[:8])
        file.seek(tags.next)
        tags.load(file)
        int(tags[WIDTH]), int(tags[HEIGHT])
        return tags
    except Exception:  # it raises whatever it likes on damaged files
        return None


def _is_raw(tags: ImageFileDirectory_v2) -> bool:
    """Whether a TIFF is a raw file of a camera: its first picture is then a small preview or the bare values
    of the sensor.
    """
    preview = tags.get(KIND, 0) == 1 and SUB_FOLDERS in tags
    return preview or DNG_VERSION in tags or tags.get(PHOTOMETRIC) in (MOSAIC, LINEAR_RAW)


def _raw() -> PictureError:
    raw = with_ending(".dng")
    return PictureError(raw.not_opened, hint=raw.hint)


# ---- Targa and icons


def _is_targa(file: IO[bytes]) -> bool:
    """Whether a file is a Targa picture: it has no mark at its beginning, so all of its head must fit, and
    its length or the mark at its end.
    """
    file.seek(0)
    head = file.read(18)
    if len(head) < 18:
        return False
    id_length, colours, kind, _, palette, palette_bits, _, _, width, height, bits, flags = struct.unpack(
        "<BBBHHBHHHHBB", head
    )
    fitting = {1: (8,), 2: (16, 24, 32), 3: (8, 16), 9: (8,), 10: (16, 24, 32), 11: (8, 16)}.get(kind, ())
    if bits not in fitting or not (width and height) or flags & 0xC0 or colours != (kind in (1, 9)):
        return False
    end = file.seek(0, io.SEEK_END)
    file.seek(-18, io.SEEK_END)
    if file.read(18) == b"TRUEVISION-XFILE.\0":
        return True
    start = 18 + id_length + (palette * ((palette_bits + 7) // 8) if colours else 0)
    pixels = width * height * (bits // 8)
    return end == start + pixels if kind < 4 else start < end <= start + pixels * 2


def _icon(file: IO[bytes]) -> IO[bytes]:
    """The largest picture of an icon, as a file of its own: a PNG or an icon of one bitmap.

    Raises:
        PictureError: it is damaged.
    """
    file.seek(4)
    (count,) = struct.unpack("<H", file.read(2).ljust(2, b"\0"))
    entries = [entry for _ in range(min(count, 256)) if len(entry := file.read(16)) == 16]
    if not entries:
        raise PictureError("is damaged")
    largest = max(entries, key=lambda entry: ((entry[0] or 256) * (entry[1] or 256), entry[6]))
    size, start = struct.unpack("<II", largest[8:])
    file.seek(start)
    content = file.read(size)
    if content.startswith(b"\x89PNG"):
        return io.BytesIO(content)
    width, height = struct.unpack("<ii", content[4:12].ljust(8, b"\0"))
    if not (0 < width <= LARGEST_ICON and 0 < abs(height) <= 2 * LARGEST_ICON):
        raise PictureError("is damaged")
    return io.BytesIO(b"\0\0\1\0\1\0" + largest[:12] + struct.pack("<I", 22) + content)
