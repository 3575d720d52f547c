"""Whether the pictures of a source look all alike, so that a network could learn nothing from them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from oneglance.errors import Problem

CELLS = 8  # a picture is compared by so many means across and down
LEAST = 5  # pictures by which a source is judged
ALIKE = 1.0  # standard deviation of a mean over the pictures, of 255, that cannot be seen


class Likeness:
    """Sums over the pictures of each source."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[int, np.ndarray, np.ndarray]] = {}

    def add(self, source: str, pixels: np.ndarray) -> None:
        """One canvas, uint8 [h, w, 3], at least ``CELLS`` pixels each way."""
        height, width, _ = pixels.shape
        cells = pixels[: height // CELLS * CELLS, : width // CELLS * CELLS].reshape(
            CELLS, height // CELLS, CELLS, width // CELLS, 3
        )
        means = cells.mean(axis=(1, 3), dtype=np.float64)
        count, total, squares = self._sums.get(source, (0, np.zeros(()), np.zeros(())))
        self._sums[source] = count + 1, total + means, squares + means**2

    def problems(self) -> Iterator[Problem]:
        """A problem for each source whose pictures look alike."""
        for source, (count, total, squares) in self._sums.items():
            variance = squares / count - (total / count) ** 2
            if count >= LEAST and np.sqrt(np.maximum(variance, 0)).max() < ALIKE:
                yield Problem(
                    source,
                    f"all {count:,} pictures look alike: hardly a value differs between them",
                    "look at some; where values have more than 8 bits, set [pictures] value_range",
                    kind="alike",
                    fatal=False,
                )
