"""The sizes of pictures that were all decoded once beforehand, kept in the cache folder: another process of
the same training, and one that goes on with it, need not decode them again.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from oneglance.data.images.content_hash import joint_digest, stamp_of
from oneglance.data.images.fetching import ahead
from oneglance.data.record import ImageRef
from oneglance.errors import RunError
from oneglance.storage.atomic_files import make_folder, sweep, write_bytes
from oneglance.storage.plain_files import plain_stat, read_plain

MOST = 20  # files, of eight bytes for each picture; of more, the least recently used go
DAY = 86_400  # seconds after which an unfinished file is a leftover
LARGEST = 4_000_000_000  # bytes of a file


class SurveyedSizes:
    """The file of some pictures in their order, named by their stamps.

    Args:
        settings: on which it depends whether a picture can be decoded.
    """

    def __init__(self, folder: Path, refs: Sequence[ImageRef], settings: object) -> None:
        self._count = len(refs)
        self._path = folder / f"{joint_digest(ahead(stamp_of, refs), settings)}.sizes"

    def read(self) -> np.ndarray:
        """int32 [n, 2], width and height; zeros for pictures that could not be decoded, or of which nothing
        is known.
        """
        with suppress(OSError, ValueError, EOFError):
            sizes = np.load(io.BytesIO(read_plain(self._path, LARGEST)), allow_pickle=False)
            if sizes.dtype == np.int32 and sizes.shape == (self._count, 2):
                os.utime(self._path)
                return np.array(sizes)
        return np.zeros((self._count, 2), np.int32)

    def write(self, sizes: np.ndarray) -> None:
        """Keep them; a folder that cannot be written costs time, nothing else."""
        file = io.BytesIO()
        np.save(file, np.asarray(sizes, dtype=np.int32), allow_pickle=False)
        with suppress(OSError, RunError):
            sweep(make_folder(self._path.parent), DAY)
            write_bytes(self._path, file.getbuffer())
            by_use = sorted(self._path.parent.glob("*.sizes"), key=lambda path: plain_stat(path).version)
            for path in by_use[:-MOST]:
                path.unlink()
