"""What near-duplicates are found by: a small grey copy of each picture, in a file without a name.

The copies lie on disk, 2.3 kB each, so that the memory taken does not grow with the number of pictures.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

import numpy as np
from PIL import Image

from oneglance.data.images.decode import Canvas
from oneglance.data.images.letterbox import Fit

SIDE = 48  # pixels; with 32, one in a hundred pictures of the same layout passes for a copy
KEPT = 512  # copies in memory before they are written
FLAT = 2.0  # standard deviation of grey values, of 255, below which a picture shows nothing to compare


class Thumbnails:
    """A thumbnail of each picture, uint8 [48, 48], whatever the shape of the picture."""

    def __init__(self, fit: Fit) -> None:
        self._fit = fit
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._waiting: list[np.ndarray] = []
        self.sizes: list[tuple[int, int]] = []  # width and height of each upright picture
        self._flat: list[bool] = []

    def add(self, canvas: Canvas) -> None:
        """One more picture; it has the next number, from 0."""
        image = Image.fromarray(canvas.pixels[self._fit.shown(canvas.width, canvas.height)]).convert("L")
        small = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=3.0))
        self._waiting.append(small)
        self.sizes.append((canvas.width, canvas.height))
        self._flat.append(bool(small.std() < FLAT))
        if len(self._waiting) == KEPT:
            self._write()

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def flat(self) -> np.ndarray:
        """bool [n]: pictures of one colour, which all look alike and are copies of nothing."""
        return np.array(self._flat, dtype=bool)

    def take(self, numbers: Sequence[int] | np.ndarray) -> np.ndarray:
        """float32 [len(numbers), 48, 48]: grey values from 0 to 255."""
        self._write()
        if not len(self):
            return np.zeros((0, SIDE, SIDE), np.float32)
        stored = np.memmap(self._file, np.uint8, "r", shape=(len(self), SIDE, SIDE))
        return stored[np.asarray(numbers, dtype=np.int64)].astype(np.float32)

    def close(self) -> None:
        """Give the space on the disk back."""
        self._file.close()

    def _write(self) -> None:
        if self._waiting:
            self._file.write(np.stack(self._waiting).tobytes())
            self._file.flush()
            self._waiting = []
