"""Which picture files are decoded in this process: those whose first bytes prove that it costs little.

Decoders of strangers' files may crash, hang or fill the memory, so they run in processes with bounds. To
start one takes half a second, and a single picture would wait for it. Nearly every picture is a JPEG, PNG
or WebP of moderate size, whose decoders are the most attacked and so the best tried of all, and whose memory
and time follow from a few numbers that stand in the file before any pixel. Where all of these are small, and
only there, a few pictures are decoded right where they are asked for.

What is read here is read as the decoders do: a file that is plain by other rules than theirs is not plain.
"""

from __future__ import annotations

import struct

PIXELS = 32_000_000  # 8 bytes of each at once, and 6 more of a progressive JPEG: half a gigabyte
BYTES = 64_000_000  # of the file
SCANS = 400_000_000  # pixels times passes over them, of a progressive JPEG: a few seconds
TAGS = 64_000_000  # bytes that the tags of EXIF may take: all of them may point to the same ones
NOTES = 8_000_000  # bytes of the file that are no pixels
PACKED_NOTES = 1_000_000  # of these, bytes that are unpacked
PIECES = 20_000  # segments or chunks of the file

_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SHORT = struct.Struct(">H")


def is_plain(content: bytes) -> bool:
    """Whether decoding the file is known to take at most some hundred megabytes and a few seconds."""
    if len(content) > BYTES:
        return False
    try:
        if content.startswith(b"\xff\xd8\xff"):
            return _is_plain_jpeg(content)
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            return _is_plain_png(content)
        if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
            return _is_plain_webp(content)
    except (struct.error, IndexError):  # it is cut short
        pass
    return False


def _is_plain_jpeg(content: bytes) -> bool:
    position, pixels, notes = 2, 0, 0
    for _ in range(PIECES):
        if content[position] != 0xFF:
            return False
        marker = content[position + 1]
        if marker == 0xFF:  # fills
            position += 1
            continue
        if marker == 0xDA:
            scans = content.count(b"\xff\xda", position)
            return 0 < pixels <= PIXELS and pixels * scans <= SCANS
        if marker < 0xC0 or 0xD0 <= marker <= 0xD9:  # has no length: not before the pixels
            return False
        (length,) = _SHORT.unpack_from(content, position + 2)
        start, end = position + 4, position + 2 + length
        if marker in _START_OF_FRAME:
            height, width, components = struct.unpack_from(">HHB", content, start + 1)
            pixels = max(pixels, width * height)
            if components > 4:
                return False
        else:
            notes += length
        if notes > NOTES or not _has_few_tags(content, start, end):
            return False
        position = end
    return False


def _has_few_tags(content: bytes, start: int, end: int) -> bool:
    for mark in (b"Exif\0\0", b"MPF\0"):
        if content.startswith(mark, start):
            return _tags_take(content[start + len(mark) : end]) <= TAGS
    return True


def _is_plain_png(content: bytes) -> bool:
    (width, height) = struct.unpack_from(">II", content, 16)
    if content[12:16] != b"IHDR" or not 0 < width * height <= PIXELS:
        return False
    position, notes, packed = 8, 0, 0
    for _ in range(PIECES):
        if position >= len(content):  # cut short: nothing more can come
            return True
        length, kind = struct.unpack_from(">I4s", content, position)
        if kind == b"IEND":
            return True
        if kind == b"acTL" or (kind == b"IHDR" and position != 8):
            return False
        if kind == b"eXIf" and _tags_take(content[position + 8 : position + 8 + length]) > TAGS:
            return False
        if kind != b"IDAT":
            notes += length
            packed += length if kind in (b"zTXt", b"iTXt", b"iCCP") else 0
        if notes > NOTES or packed > PACKED_NOTES:
            return False
        position += 12 + length
    return False


def _is_plain_webp(content: bytes) -> bool:
    kind = content[12:16]
    if kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", content, 26))
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8X":
        if content[20] & 2:  # an animation
            return False
        width, height = (int.from_bytes(content[at : at + 3], "little") + 1 for at in (24, 27))
    else:
        return False
    return 0 < width * height <= PIXELS and _has_few_webp_notes(content)


def _has_few_webp_notes(content: bytes) -> bool:
    position, notes = 12, 0
    for _ in range(PIECES):
        if position + 8 > len(content):
            return True
        kind, length = struct.unpack_from("<4sI", content, position)
        tags = content[position + 8 : position + 8 + length] if kind == b"EXIF" else b""
        notes += length if kind not in (b"VP8 ", b"VP8L", b"ALPH") else 0
        if kind in (b"ANIM", b"ANMF") or notes > NOTES or _tags_take(tags.removeprefix(b"Exif\0\0")) > TAGS:
            return False
        position += 8 + length + length % 2
    return False


def _tags_take(exif: bytes) -> int:
    """At most so many bytes are copied out of ``exif`` when its first directory is read."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 8:
        return len(exif)
    (start,) = struct.unpack_from(f"{order}I", exif, 4)
    if start + 2 > len(exif):
        return len(exif)
    (count,) = struct.unpack_from(f"{order}H", exif, start)
    return min(int(count), len(exif) // 12) * len(exif)
