"""Masks as Supervisely writes them: a PNG, packed by zlib, in base64."""

from __future__ import annotations

import io
import zlib

from PIL import Image

from oneglance.data.parsing.base64_pictures import from_base64
from oneglance.data.picture_files.pillow_settings import pillow_settings

LARGEST = 20_000_000  # bytes of a PNG, and pixels of a mask


def packed_mask_bounds(data: str) -> tuple[int, int, int, int] | None:
    """The left, upper, right and lower edge of what a mask marks, in pixels of the mask; None where it marks
    nothing, is damaged or is too large. What is not transparent is marked, else what is not 0.
    """
    try:
        png = zlib.decompressobj().decompress(from_base64(data), LARGEST)
        with pillow_settings(), Image.open(io.BytesIO(png), formats=("PNG",)) as image:
            if image.width * image.height > LARGEST:
                return None
            mask = image.getchannel("A") if "A" in image.getbands() else image
            return mask.getbbox()
    except MemoryError:
        raise
    except Exception:  # decoders raise whatever they like on damaged files
        return None
