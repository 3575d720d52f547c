"""What is decoded without a process of its own, and above all what is not."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from oneglance.data.images.decoding.plain_pictures import PIXELS, is_plain


def encoded(kind: str, size: tuple[int, int] = (60, 40), mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.effect_noise(size, 50).convert(mode).save(file, kind, **options)
    return file.getvalue()


def exif(count: int = 3, length: int = 10) -> bytes:
    """EXIF of so many tags, each of all ``length`` bytes behind the directory."""
    head = 8 + 2 + 12 * count + 4
    tags = b"".join(struct.pack("<HHII", 0x8000 + tag, 7, length, head) for tag in range(count))
    return struct.pack("<2sHIH", b"II", 42, 8, count) + tags + bytes(4) + bytes(length)


def with_segment(jpeg: bytes, marker: int, content: bytes) -> bytes:
    return jpeg[:2] + struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content + jpeg[2:]


def with_chunk(png: bytes, kind: bytes, content: bytes, at: int = 33) -> bytes:
    chunk = struct.pack(">I4s", len(content), kind) + content + struct.pack(">I", zlib.crc32(kind + content))
    return png[:at] + chunk + png[at:]


PLAIN: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: encoded("JPEG"),
    "progressive jpeg": lambda: encoded("JPEG", progressive=True),
    "jpeg with exif": lambda: encoded("JPEG", exif=b"Exif\0\0" + exif()),
    "jpeg with a profile": lambda: encoded("JPEG", icc_profile=bytes(100_000)),
    "jpeg with a comment": lambda: with_segment(encoded("JPEG"), 0xFE, b"made by hand"),
    "jpeg with four colours": lambda: encoded("JPEG", mode="CMYK"),
    "grey jpeg": lambda: encoded("JPEG", mode="L"),
    "png": lambda: encoded("PNG"),
    "png with alpha": lambda: encoded("PNG", mode="RGBA"),
    "png with a palette": lambda: encoded("PNG", mode="P"),
    "png with exif": lambda: encoded("PNG", exif=exif()),
    "png cut short": lambda: encoded("PNG")[:-200],
    "webp": lambda: encoded("WEBP"),
    "lossless webp": lambda: encoded("WEBP", lossless=True),
    "webp with exif and alpha": lambda: encoded("WEBP", mode="RGBA", exif=b"Exif\0\0" + exif()),
    "a photograph of 24 megapixels": lambda: encoded("JPEG", (6000, 4000), "L"),
}


def large(kind: str) -> bytes:
    """A file whose header claims a little more than is plain."""
    side = 6000
    assert side * side > PIXELS
    if kind == "JPEG":
        content = bytearray(encoded(kind))
        at = content.index(b"\xff\xc0") + 5
        content[at : at + 4] = struct.pack(">HH", side, side)
    elif kind == "PNG":
        content = bytearray(encoded(kind))
        content[16:24] = struct.pack(">II", side, side)
    else:
        content = bytearray(encoded(kind))
        assert content[12:16] == b"VP8 "
        content[26:30] = struct.pack("<HH", side, side)
    return bytes(content)


def with_a_second_frame() -> bytes:
    """A JPEG that says that it is small and then, before its pixels, that it is large."""
    content = encoded("JPEG")
    at = content.index(b"\xff\xc0")
    frame = bytearray(content[at : at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")])
    frame[5:9] = struct.pack(">HH", 20_000, 20_000)
    return content[: at + len(frame)] + bytes(frame) + content[at + len(frame) :]


def of_many_scans() -> bytes:
    content = encoded("JPEG", (4000, 4000), "L", progressive=True)
    return content[:-2] + (b"\xff\xda\0\x08\1\1\0\1\x3f\0" + bytes(4)) * 100 + content[-2:]


def animated(kind: str) -> bytes:
    file = io.BytesIO()
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    return file.getvalue()


def with_text(text: str, *, packed: bool) -> bytes:
    info = PngImagePlugin.PngInfo()
    for number in range(30):
        info.add_text(f"a{number}", text, zip=packed)
    return encoded("PNG", pnginfo=info)


NOT_PLAIN: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "text": lambda: b"this is no picture",
    "only a mark": lambda: b"\xff\xd8\xff",
    "jpeg cut in its head": lambda: encoded("JPEG")[:100],
    "large jpeg": lambda: large("JPEG"),
    "large png": lambda: large("PNG"),
    "large webp": lambda: large("WEBP"),
    "a second frame": with_a_second_frame,
    "many scans": of_many_scans,
    "tags that take gigabytes": lambda: with_segment(
        encoded("JPEG"), 0xE1, b"Exif\0\0" + exif(2000, 41_000)[:65_000]
    ),
    "tags of several pictures": lambda: with_segment(encoded("JPEG"), 0xE2, b"MPF\0" + exif(2000, 41_000)),
    "many profiles": lambda: (
        encoded("JPEG")[:2] + (b"\xff\xe2\xff\xff" + bytes(65_533)) * 130 + encoded("JPEG")[2:]
    ),
    "many segments": lambda: encoded("JPEG")[:2] + b"\xff\xfe\0\2" * 21_000 + encoded("JPEG")[2:],
    "many chunks": lambda: (
        encoded("PNG")[:33] + with_chunk(b"", b"tEXt", b"", 0) * 21_000 + encoded("PNG")[33:]
    ),
    "png with tags that take gigabytes": lambda: with_chunk(encoded("PNG"), b"eXIf", exif(2000, 60_000)),
    "png with tags behind its pixels": lambda: with_chunk(encoded("PNG"), b"eXIf", exif(2000, 60_000), -12),
    "webp with tags that take gigabytes": lambda: encoded("WEBP", exif=exif(2000, 60_000)),
    "png of a second head": lambda: with_chunk(encoded("PNG"), b"IHDR", encoded("PNG")[16:29]),
    "long text": lambda: with_text("x" * 400_000, packed=False),
    "moving png": lambda: animated("PNG"),
    "moving webp": lambda: animated("WEBP"),
    "gif": lambda: encoded("GIF", mode="P"),
    "bmp": lambda: encoded("BMP"),
    "tiff": lambda: encoded("TIFF"),
    "pnm": lambda: encoded("PPM"),
    "jpeg 2000": lambda: encoded("JPEG2000"),
}


@pytest.mark.parametrize("name", PLAIN)
def test_usual_pictures_are_plain(name: str) -> None:
    assert is_plain(PLAIN[name]())


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_all_else_is_not(name: str) -> None:
    assert not is_plain(NOT_PLAIN[name]())


@pytest.mark.parametrize("name", ["jpeg", "png", "webp with exif and alpha", "jpeg with exif"])
def test_cut_anywhere_it_is_no_error(name: str) -> None:
    content = PLAIN[name]()
    for length in range(0, len(content), max(1, len(content) // 500)):
        assert is_plain(content[:length]) in (True, False)


def test_large_files_are_not_plain() -> None:
    assert not is_plain(encoded("JPEG") + bytes(64_000_000))
