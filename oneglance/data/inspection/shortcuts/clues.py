"""What may betray an answer without a look at what the picture shows, as columns of numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from oneglance.data.images.decode import Canvas
from oneglance.data.images.file_facts import FileFacts
from oneglance.data.images.letterbox import Fit

CODES = 12  # words of a column that are told apart, by frequency; all others are one
EDGE = 0.02  # of the longer side of a canvas: the border

# Family -> its columns. A column of text is for a person to read too: "640×480".
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "dimensions": ("size", "width", "height", "aspect"),
    "file size and compression": ("format", "mode", "bytes", "bytes per pixel", "quantisation"),
    "camera and software": ("camera", "software"),
    "mean colour": ("red", "green", "blue", "contrast"),
    "border": ("border red", "border green", "border blue", "border contrast"),
}


class Clues:
    """Takes one picture after the other, with its row in the data set."""

    def __init__(self, fit: Fit) -> None:
        self._fit = fit
        self.rows: list[int] = []
        self._numbers: list[tuple[float, ...]] = []
        self._words: list[tuple[str, ...]] = []

    def add(self, row: int, canvas: Canvas, facts: FileFacts) -> None:
        """One more picture."""
        self.rows.append(row)
        area = canvas.width * canvas.height
        shown = canvas.pixels[self._fit.shown(canvas.width, canvas.height)]
        self._words.append(
            (f"{canvas.width}×{canvas.height}", facts.format, facts.mode, facts.camera, facts.software)
        )
        self._numbers.append(
            (
                canvas.width,
                canvas.height,
                canvas.width / canvas.height,
                facts.bytes,
                facts.bytes / area,
                facts.quantisation,
                *_colour(shown.reshape(-1, 3)),
                *_colour(_border(shown)),
            )
        )

    @property
    def numbers(self) -> dict[str, np.ndarray]:
        """Column -> float64 [n]; NaN where it is unknown."""
        names = ("width", "height", "aspect", "bytes", "bytes per pixel", "quantisation")
        columns = (*names, *FAMILIES["mean colour"], *FAMILIES["border"])
        rows = np.array(self._numbers, np.float64).reshape(-1, len(columns))
        return dict(zip(columns, rows.T, strict=True))

    @property
    def words(self) -> dict[str, list[str]]:
        """Column -> n words; "" where there is none."""
        columns = ("size", "format", "mode", "camera", "software")
        return {name: [row[at] for row in self._words] for at, name in enumerate(columns)}

    def family(self, name: str) -> np.ndarray:
        """float32 [n, columns] of one family: words as the rank of their frequency, unknown numbers as -1.
        Columns that are equal everywhere are left out.
        """
        numbers, words = self.numbers, self.words
        columns = [
            _codes(words[one]) if one in words else np.nan_to_num(numbers[one], nan=-1)
            for one in FAMILIES[name]
        ]
        kept = [column for column in columns if len(column) and (column != column[0]).any()]
        return (
            np.stack(kept, axis=1).astype(np.float32) if kept else np.zeros((len(self.rows), 0), np.float32)
        )


def _codes(words: list[str]) -> np.ndarray:
    ranks = {word: rank for rank, (word, _) in enumerate(Counter(words).most_common(CODES))}
    return np.array([ranks.get(word, CODES) for word in words], np.float64)


def _border(shown: np.ndarray) -> np.ndarray:
    wide = max(1, round(EDGE * max(shown.shape[:2])))
    parts = (shown[:wide], shown[-wide:], shown[:, :wide], shown[:, -wide:])
    return np.concatenate([part.reshape(-1, 3) for part in parts])


def _colour(pixels: np.ndarray) -> tuple[float, ...]:
    """Mean red, green and blue, and the standard deviation of all values."""
    return (*pixels.mean(axis=0, dtype=np.float64).tolist(), float(pixels.std(dtype=np.float64)))
