"""How a picture is turned upright: the one place that knows where its file says so.

The header, which turns boxes, and the decoder, which turns pixels, both ask here, so they cannot disagree.
Of several places the first that says something counts: EXIF (for TIFF its own tag; for AVIF, whose box of
rotation wins, what Pillow makes of it), then the profiles that ImageMagick writes as text, then XMP.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import IO, Any

from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from oneglance.data.picture_files.tiff_tags import ORIENTATION

LONGEST = 4_000_000  # bytes of a tag's text, packed or not; longer ones are no orientation

MOST_CHUNKS = 200_000  # of a PNG: pixels of 1.6 GB in pieces as they are usually written

_XMP = re.compile(rb"tiff:Orientation\s*(?:=\s*[\"']|>)\s*([0-9])")
_XMP_KEYS = ("XML:com.adobe.xmp", "xmp", "Raw profile type xmp", "Raw profile type APP1")
_KEYS = ("exif", "Raw profile type exif", *_XMP_KEYS)
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")


def orientation(opened: Image.Image | ImageFileDirectory_v2, file: IO[bytes] | None = None) -> int:
    """How the pixels as they are stored are to be turned: 1 to 8 as EXIF numbers them, 1 for upright. What
    makes no sense is 1.

    Args:
        opened: by Pillow, its pixels not loaded yet if it is a file; or the tags of a TIFF that Pillow does
            not read, of which its own tag alone counts.
        file: the same file where there is one; its position is kept. A PNG may have its tags behind the
            pixels, where Pillow sees them only after decoding.
    """
    try:
        number = int(_stored(opened, file))
    except Exception:  # a damaged tag is no reason to refuse the pixels
        return 1
    return number if 1 <= number <= 8 else 1


def _stored(opened: Image.Image | ImageFileDirectory_v2, file: IO[bytes] | None) -> Any:
    if isinstance(opened, ImageFileDirectory_v2):
        return opened.get(ORIENTATION, 1)
    if opened.format == "HEIF":  # its plug-in turns it, by boxes of its own
        return 1
    if isinstance(opened, PngImageFile) and file is not None:
        tags: Mapping[Any, Any] = _png_tags(file)
        exif = tags.get("exif")
        value = _of_exif(exif) if exif else None
    elif isinstance(opened, TiffImageFile):
        tags, value = opened.info, opened.tag_v2.get(ORIENTATION)
    elif file is not None and opened.info.keys().isdisjoint(_KEYS):
        return 1
    else:
        # The method of a PNG itself would first decode all of its pixels.
        tags, value = opened.info, Image.Image.getexif(opened).get(ORIENTATION)
    if value is not None:
        return value
    for key in ("Raw profile type exif", "Raw profile type APP1"):
        profile = _profile(tags.get(key))
        if profile.startswith((b"Exif\0\0", b"II*\0", b"MM\0*")):
            value = _of_exif(profile)
            if value is not None:
                return value
    for key in _XMP_KEYS:
        match = _XMP.search(_profile(tags.get(key)))
        if match:
            return match[1]
    return 1


def _of_exif(block: bytes) -> Any:
    exif = Image.Exif()
    exif.load(block)
    return exif.get(ORIENTATION)


def _profile(value: Any) -> bytes:
    """A tag as bytes; ImageMagick writes a line with the name, one with the length, then
    hexadecimal digits.
    """
    if value is None:
        return b""
    if isinstance(value, tuple):  # TIFF
        value = value[0] if len(value) == 1 else bytes(value)
    content = value.encode("utf-8", "replace") if isinstance(value, str) else bytes(value)
    written = content.split(None, 2)
    if len(written) < 3 or not written[1].isdigit():
        return content
    try:
        return bytes.fromhex(written[2].decode("ascii"))
    except ValueError:
        return content


# ---- PNG


def _png_tags(file: IO[bytes]) -> dict[str, bytes]:
    """The tags before and behind the pixels of a PNG; the last of each name counts."""
    start = file.tell()
    try:
        tags: dict[str, tuple[bytes, bytes]] = {}
        for kind, content in islice(_png_chunks(file), MOST_CHUNKS):
            key, _, rest = (b"exif", b"", content) if kind == b"eXIf" else content.partition(b"\0")
            if (name := key.decode("latin-1")) in _KEYS:
                tags[name] = kind, rest
        return {key: _png_text(kind, rest) for key, (kind, rest) in tags.items()}
    finally:
        file.seek(start)


def _png_chunks(file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IEND":
            return
        wanted = length <= LONGEST and (kind == b"eXIf" or kind in _TEXTS)
        yield kind, file.read(length) if wanted else b""
        file.seek(4 if wanted else length + 4, 1)


def _png_text(kind: bytes, rest: bytes) -> bytes:
    """What a chunk says behind its keyword, unpacked; empty where it is damaged."""
    packed = kind == b"zTXt"
    if kind == b"zTXt":
        rest = rest[1:]
    elif kind == b"iTXt":
        packed = rest[:1] == b"\1"
        rest = rest[2:].split(b"\0", 2)[-1]
    if not packed:
        return rest
    try:
        return zlib.decompressobj().decompress(rest, LONGEST)
    except zlib.error:
        return b""
