"""The tags of TIFF that are read here."""

from __future__ import annotations

from typing import Any

from PIL.TiffImagePlugin import ImageFileDirectory_v2

KIND, WIDTH, HEIGHT, BITS, PHOTOMETRIC, SAMPLES = 0x00FE, 0x0100, 0x0101, 0x0102, 0x0106, 0x0115
ORIENTATION = 0x0112  # EXIF shares it
SUB_FOLDERS, SAMPLE_FORMAT, DNG_VERSION = 0x014A, 0x0153, 0xC612
NOTHING_MEASURED = 0xA481  # GDAL writes a value there, as text, that stands for no value


def first(tags: ImageFileDirectory_v2, tag: int) -> Any:
    """What a tag says of the first channel; 1 where it is missing, as TIFF has it for ``BITS``, ``SAMPLES``
    and ``SAMPLE_FORMAT``.
    """
    value = tags.get(tag, 1)
    return value[0] if isinstance(value, tuple) and value else value
