"""The size and orientation of a picture, read from the first bytes of its file without decoding it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import IO, BinaryIO, cast

import numpy as np

from oneglance.data.images.references import FileImage
from oneglance.data.picture_files.opening import open_picture
from oneglance.data.picture_files.pillow_settings import pillow_settings
from oneglance.data.record import ImageRef
from oneglance.storage.plain_files import open_plain

MOST_READS = 100_000  # a second or less; a picture of 200 megabytes takes about half of it


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
        file = opened_file(ref)
        if isinstance(file, np.ndarray):
            return Header(file.shape[1], file.shape[0])
        with file, pillow_settings():
            opened = open_picture(file)
            return Header(opened.width, opened.height, opened.orientation)
    except MemoryError:
        raise
    except Exception:  # decoders raise whatever they like on damaged files
        return None


class FewReads(io.RawIOBase):
    """A file that ends whoever reads it in very many pieces: a header is read in this process, where nobody
    watches the time, and a file may consist of millions of parts that hold nothing.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._left = file, MOST_READS

    def read(self, size: int | None = -1) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise OSError("it is in too many pieces")
        return self._file.read(-1 if size is None else size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()


def opened_file(ref: ImageRef) -> IO[bytes] | np.ndarray:
    """The file of a picture, of which no more is read than is needed; or its pixels where it has none.

    Raises:
        Exception: it cannot be read.
    """
    if isinstance(ref, FileImage):
        file: BinaryIO = open_plain(ref.path)  # it never waits for a pipe
    else:
        loaded = ref.load()
        if isinstance(loaded, np.ndarray):
            return loaded
        file = io.BytesIO(loaded)
    return cast(IO[bytes], FewReads(file))
