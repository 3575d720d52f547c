"""Picture files that say in one of many places how they are to be turned."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

WIDTH, HEIGHT = 60, 40  # as stored
MARK = (5, 10, 25, 20)  # a white box near one corner of the stored picture, the rest is black


def marked() -> Image.Image:
    """The stored picture."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[MARK[1] : MARK[3], MARK[0] : MARK[2]] = 255
    return Image.fromarray(pixels)


def exif(orientation: int) -> bytes:
    """A block of EXIF with this orientation, with the six bytes that begin it in a JPEG."""
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def xmp(orientation: int, form: str = "attribute") -> bytes:
    """A packet of XMP with this orientation."""
    written = {
        "attribute": f'<rdf:Description rdf:about="" tiff:Orientation="{orientation}"/>',
        "quotes": f"<rdf:Description rdf:about='' tiff:Orientation = '{orientation}'/>",
        "element": "<rdf:Description rdf:about=''>"
        f"<tiff:Orientation>{orientation}</tiff:Orientation></rdf:Description>",
    }[form]
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
        f'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{written}</rdf:RDF></x:xmpmeta>'
    ).encode()


def raw_profile(kind: str, content: bytes) -> str:
    """A profile as ImageMagick writes it into a text of a PNG."""
    digits = content.hex()
    lines = [digits[start : start + 72] for start in range(0, len(digits), 72)]
    return "\n".join(["", kind, f"{len(content):8}", *lines, ""])


def saved(kind: str, **options: object) -> bytes:
    """The marked picture as a file."""
    file = io.BytesIO()
    lossless: dict[str, dict[str, object]] = {
        "WEBP": {"lossless": True},
        "JPEG": {"quality": 95},
        "AVIF": {"quality": 100},
    }
    marked().save(file, kind, **lossless.get(kind, {}), **options)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*chunks: bytes, behind: bool) -> bytes:
    """A PNG with more chunks before or behind its pixels, which lie in many small pieces."""
    whole = saved("PNG")
    start = whole.index(b"IDAT") - 4
    (length,) = struct.unpack(">I", whole[start : start + 4])
    pixels = whole[start + 8 : start + 8 + length]
    pieces = b"".join(chunk(b"IDAT", pixels[at : at + 10]) for at in range(0, length, 10))
    more = b"".join(chunks)
    return (
        whole[:start] + (b"" if behind else more) + pieces + (more if behind else b"") + chunk(b"IEND", b"")
    )


def _international(keyword: str, text: bytes, packed: bool) -> bytes:
    body = zlib.compress(text) if packed else text
    return chunk(b"iTXt", keyword.encode() + bytes([0, packed, 0]) + b"\0\0" + body)


def _packed_text(keyword: str, text: str) -> bytes:
    return chunk(b"zTXt", keyword.encode() + b"\0\0" + zlib.compress(text.encode("latin-1")))


def _info(keyword: str, text: str) -> PngInfo:
    info = PngInfo()
    info.add_text(keyword, text)
    return info


PLACES: dict[str, Callable[[int], bytes]] = {
    "JPEG, EXIF": lambda number: saved("JPEG", exif=exif(number)),
    "JPEG, XMP": lambda number: saved("JPEG", xmp=xmp(number)),
    "JPEG, XMP in single quotes": lambda number: saved("JPEG", xmp=xmp(number, "quotes")),
    "JPEG, XMP as an element": lambda number: saved("JPEG", xmp=xmp(number, "element")),
    "JPEG, EXIF against XMP": lambda number: saved("JPEG", exif=exif(number), xmp=xmp(9 - number)),
    "PNG, eXIf before": lambda number: png(chunk(b"eXIf", exif(number)[6:]), behind=False),
    "PNG, eXIf behind": lambda number: png(chunk(b"eXIf", exif(number)[6:]), behind=True),
    "PNG, raw profile exif": lambda number: saved(
        "PNG", pnginfo=_info("Raw profile type exif", raw_profile("exif", exif(number)))
    ),
    "PNG, raw profile APP1": lambda number: saved(
        "PNG", pnginfo=_info("Raw profile type APP1", raw_profile("APP1", exif(number)))
    ),
    "PNG, packed raw profile APP1 behind": lambda number: png(
        _packed_text("Raw profile type APP1", raw_profile("APP1", exif(number))), behind=True
    ),
    "PNG, raw profile APP1 with XMP": lambda number: png(
        _packed_text(
            "Raw profile type APP1",
            raw_profile("APP1", b"http://ns.adobe.com/xap/1.0/\0" + xmp(number)),
        ),
        behind=False,
    ),
    "PNG, raw profile xmp": lambda number: saved(
        "PNG", pnginfo=_info("Raw profile type xmp", raw_profile("xmp", xmp(number)))
    ),
    "PNG, XMP before": lambda number: png(
        _international("XML:com.adobe.xmp", xmp(number), False), behind=False
    ),
    "PNG, XMP behind": lambda number: png(
        _international("XML:com.adobe.xmp", xmp(number), False), behind=True
    ),
    "PNG, packed XMP behind": lambda number: png(
        _international("XML:com.adobe.xmp", xmp(number), True), behind=True
    ),
    "PNG, eXIf behind against XMP before": lambda number: png(
        _international("XML:com.adobe.xmp", xmp(9 - number), False), behind=False
    ).replace(chunk(b"IEND", b""), chunk(b"eXIf", exif(number)[6:]) + chunk(b"IEND", b"")),
    "TIFF, its tag": lambda number: saved("TIFF", tiffinfo={0x0112: number}),
    "TIFF, packed": lambda number: saved("TIFF", tiffinfo={0x0112: number}, compression="tiff_lzw"),
    "TIFF, XMP": lambda number: saved("TIFF", tiffinfo={700: xmp(number)}),
    "TIFF, packed, XMP in single quotes": lambda number: saved(
        "TIFF", tiffinfo={700: xmp(number, "quotes")}, compression="tiff_adobe_deflate"
    ),
    "TIFF, tag against XMP": lambda number: saved("TIFF", tiffinfo={0x0112: number, 700: xmp(9 - number)}),
    "WebP, EXIF": lambda number: saved("WEBP", exif=exif(number)),
    "WebP, XMP": lambda number: saved("WEBP", xmp=xmp(number)),
    "AVIF, rotation": lambda number: saved("AVIF", exif=exif(number)),
    "AVIF, XMP": lambda number: saved("AVIF", xmp=xmp(number)),
    "MPO, EXIF": lambda number: saved(
        "MPO", exif=exif(number), save_all=True, append_images=[marked()], quality=95
    ),
}
"""By what it is: the marked picture with an orientation of 1 to 8."""
