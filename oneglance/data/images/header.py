"""The size and orientation of a picture, read from the first bytes of its file without decoding it."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from oneglance.data.images.opening import open_picture
from oneglance.data.images.pillow_settings import pillow_settings
from oneglance.data.images.references import FileImage, file_stat
from oneglance.data.record import ImageRef


@dataclass(frozen=True, slots=True)
class Header:
    """Width and height in pixels as the file stores them, and the orientation that turns it upright."""

    width: int
    height: int
    orientation: int = 1  # 1 to 8; 1: it is stored upright

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height as a person sees it."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)

    def turned(self, x: float, y: float) -> tuple[float, float]:
        """A point of the stored picture in the upright one; both count pixels from their upper left."""
        across, down = self.width - x, self.height - y  # from the other side
        return {
            2: (across, y),
            3: (across, down),
            4: (x, down),
            5: (y, x),
            6: (down, x),
            7: (down, across),
            8: (y, across),
        }.get(self.orientation, (x, y))


def header(ref: ImageRef) -> Header | None:
    """The header of a picture; None where it cannot be read: decoding the picture raises the reason."""
    try:
        if isinstance(ref, FileImage):
            file_stat(ref.path)  # never wait for a pipe
            with open(ref.path, "rb") as file:  # noqa: PTH123 - a million times
                return _read(file)
        loaded = ref.load()
        if isinstance(loaded, np.ndarray):
            return Header(loaded.shape[1], loaded.shape[0])
        return _read(io.BytesIO(loaded))
    except MemoryError:
        raise
    except Exception:  # decoders raise whatever they like on damaged files
        return None


def _read(file: io.BufferedReader | io.BytesIO) -> Header:
    with pillow_settings():
        opened = open_picture(file)
        return Header(opened.width, opened.height, opened.orientation)
