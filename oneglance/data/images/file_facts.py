"""What a picture's file says besides its pixels: by it a network may guess without looking."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from oneglance.data.picture_files.opening import open_picture
from oneglance.data.picture_files.pillow_settings import pillow_settings

MAKE, MODEL, SOFTWARE = 271, 272, 305  # tags of EXIF
LONGEST = 60  # characters of a tag


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Facts of one file; what it does not say is 0, NaN or ""."""

    bytes: int = 0
    format: str = ""  # "JPEG", "PNG"
    mode: str = ""  # as Pillow calls it: "RGB", "L", "P"
    quantisation: float = math.nan  # mean of the JPEG table of brightness: higher is lower quality
    camera: str = ""  # maker and model
    software: str = ""


def file_facts(loaded: bytes | np.ndarray) -> FileFacts:
    """The facts of a file, or of an array that lay in one; without any where it cannot be opened."""
    if isinstance(loaded, np.ndarray):
        return FileFacts()
    try:
        with pillow_settings():
            source = open_picture(io.BytesIO(loaded)).source
            if not isinstance(source, Image.Image):
                return FileFacts(len(loaded))
            tables = getattr(source, "quantization", None) or {}
            exif = source.getexif()
            camera = " ".join(filter(None, (_text(exif.get(MAKE)), _text(exif.get(MODEL)))))
            first = tables.get(0)
            return FileFacts(
                len(loaded),
                source.format or "",
                source.mode,
                float(np.mean(first)) if first else math.nan,
                camera,
                _text(exif.get(SOFTWARE)),
            )
    except Exception:  # what is wrong with it is said where it is decoded
        return FileFacts(len(loaded))


def _text(value: object) -> str:
    return " ".join(value.split())[:LONGEST].strip("\0") if isinstance(value, str) else ""
