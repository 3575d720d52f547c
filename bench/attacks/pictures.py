"""Picture files with damaged bytes, tags and chunks, decoded beside untouched ones.

The untouched pictures of the same batch must come out as before. A damaged one is decoded or named; where it
is decoded, its header, by which boxes are read, must tell the very size and orientation of its pixels.
"""

from __future__ import annotations

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from support.heic_files import HEIC
from support.oriented_files import PLACES, exif, marked, xmp

from oneglance.data.images.decode import Canvas, Limits
from oneglance.data.images.decoding.decode_pool import decode
from oneglance.data.images.header import header
from oneglance.data.images.letterbox import Fit
from oneglance.data.images.measured_range import measured
from oneglance.data.images.memory_image import EncodedImage
from oneglance.data.picture_files.value_range import ValueRange
from oneglance.errors import PictureError

FIT = Fit(48)
LIMITS = (Limits(), Limits(values=ValueRange.declared({"16-bit": [0, 4095], "float": [0, 1]})))
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF)
NUMBERS = (0, 1, 2, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)
VERBS = ("is ", "has ", "holds ", "needs ", "takes ", "makes ", "cannot ")
_valid: list[bytes] = []
_right: list[Canvas] = []


def prepare(folder: Path) -> None:
    _valid.extend(make(6) for make in PLACES.values())
    _valid.extend(HEIC.values())
    wide = (np.arange(2400, dtype=np.uint16).reshape(40, 60) * 27).astype(np.uint16)
    floating = (wide / 65535).astype(np.float32)
    for image, kind, options in (
        (Image.fromarray(wide), "PNG", {}),
        (Image.fromarray(wide), "TIFF", {}),
        (Image.fromarray(wide.astype(np.int32)), "TIFF", {"compression": "tiff_lzw"}),
        (Image.fromarray(floating), "TIFF", {"compression": "tiff_adobe_deflate"}),
        (marked().convert("P"), "GIF", {"save_all": True, "append_images": [marked().convert("P")] * 2}),
        (marked(), "JPEG", {"progressive": True, "exif": exif(3), "xmp": xmp(8)}),
        (marked().convert("CMYK"), "JPEG", {}),
        (marked().convert("CMYK"), "TIFF", {}),
        (marked().convert("P"), "PNG", {"transparency": 0}),
        (marked().convert("LA"), "PNG", {}),
        (marked(), "PNG", {"save_all": True, "append_images": [marked(), marked()]}),
        (marked(), "WEBP", {"save_all": True, "append_images": [marked(), marked()], "exif": exif(5)}),
        (marked(), "AVIF", {"exif": exif(7)}),
        (marked(), "BMP", {}),
        (marked().convert("P"), "BMP", {}),
        (marked(), "ICO", {"sizes": [(16, 16), (32, 32)]}),
        (marked(), "ICO", {"sizes": [(16, 16)], "bitmap_format": "bmp"}),
        (marked(), "TGA", {"compression": "tga_rle"}),
        (marked().convert("P"), "TGA", {}),
        (marked(), "PPM", {}),
        (Image.fromarray(floating), "PPM", {}),
        (marked(), "JPEG2000", {}),
    ):
        file = io.BytesIO()
        image.save(file, kind, **options)
        _valid.append(file.getvalue())
    _valid.extend(_with_tifffile(wide, floating))
    _right.extend(_decoded([EncodedImage(f"{n}", one) for n, one in enumerate(_valid)], LIMITS[0]))


def attempt(folder: Path, rng: np.random.Generator) -> str:
    damaged = EncodedImage("damaged", changed(rng))
    beside = rng.integers(len(_valid), size=2).tolist()
    untouched = [EncodedImage(f"{row}", _valid[row]) for row in beside]
    limits = LIMITS[int(rng.integers(2))]
    before, came, after = decode([untouched[0], damaged, untouched[1]], FIT, limits, workers=1)
    for row, canvas in zip(beside, (before, after), strict=True):
        expected = (
            _right[row] if limits is LIMITS[0] else _decoded([EncodedImage("a", _valid[row])], limits)[0]
        )
        assert isinstance(canvas, Canvas), f"an untouched picture {canvas}"
        assert np.array_equal(canvas.pixels, expected.pixels), "an untouched picture has other pixels"
    if rng.random() < 0.1:
        for one in measured([damaged, *untouched], limits, workers=1):
            assert one.bounds[0] < one.bounds[1], "nothing lies between black and white"
    head = header(damaged)
    if isinstance(came, PictureError):
        assert came.what.startswith(VERBS) and came.location == "damaged", f"no plain words: {came}"
        return "refused"
    assert head is not None, "it is decoded, but has no header"
    assert (came.width, came.height) == head.upright, f"{head}, but {came.width} x {came.height} pixels"
    return "answered"


def changed(rng: np.random.Generator) -> bytes:
    """One of the valid files, damaged in one to four places, most of them near its beginning or its end."""
    content = bytearray(_valid[int(rng.integers(len(_valid)))])
    for _ in range(rng.integers(1, 5)):
        length, how = len(content), int(rng.integers(8))
        at = int(rng.integers(min(length, 200)) if rng.random() < 0.6 else rng.integers(length))
        if rng.random() < 0.15:
            at = length - 1 - at
        if how == 0:
            content[at] = int(rng.integers(256))
        elif how == 1:
            content[at] = EXTREMES[int(rng.integers(len(EXTREMES)))]
        elif how == 2:
            number = NUMBERS[int(rng.integers(len(NUMBERS)))]
            content[at : at + 4] = struct.pack(">I" if rng.random() < 0.5 else "<I", number)
        elif how == 3:
            content[at : at + 2] = struct.pack("<H", int(rng.integers(65536)))
        elif how == 4:
            del content[at : at + int(rng.integers(1, 60))]
        elif how == 5:
            content[at:at] = rng.integers(0, 256, int(rng.integers(1, 60)), np.uint8).tobytes()
        elif how == 6:
            other = _valid[int(rng.integers(len(_valid)))]
            start = int(rng.integers(len(other)))
            content[at : at + 40] = other[start : start + 40]
        elif rng.random() < 0.3:
            del content[at:]
        if not content:
            return b""
    whole = bytes(content)
    return _with_true_sums(whole) if rng.random() < 0.7 else whole


def _with_true_sums(content: bytes) -> bytes:
    """A PNG whose chunks have right checksums, so that what is in them is read."""
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        return content
    result, at = bytearray(content[:8]), 8
    while at + 12 <= len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        body = content[at + 4 : at + 8 + length]
        result += content[at : at + 4] + body + struct.pack(">I", zlib.crc32(body))
        at += 12 + length
    return bytes(result)


def _with_tifffile(wide: np.ndarray, floating: np.ndarray) -> list[bytes]:
    import tifffile

    files = []
    for values, options in (
        (np.dstack([wide] * 3), {"photometric": "rgb"}),
        (np.dstack([wide] * 3), {"photometric": "rgb", "compression": "zlib"}),
        (np.dstack([floating] * 3), {"photometric": "rgb"}),
        (np.dstack([floating] * 3), {"photometric": "rgb", "compression": "zlib"}),
        (np.stack([floating] * 3), {"photometric": "rgb", "planarconfig": "separate"}),
        (floating.astype(np.float64), {"photometric": "minisblack", "bigtiff": True}),
        (wide, {"photometric": "miniswhite", "byteorder": ">"}),
        (np.asarray(marked()), {"photometric": "rgb", "tile": (16, 16)}),
    ):
        file = io.BytesIO()
        tifffile.imwrite(file, values, **options)
        files.append(file.getvalue())
    return files


def _decoded(refs: list[EncodedImage], limits: Limits) -> list[Canvas]:
    canvases = []
    for canvas in decode(refs, FIT, limits, workers=1):
        assert isinstance(canvas, Canvas), f"a valid picture {canvas}"
        canvases.append(canvas)
    return canvases
