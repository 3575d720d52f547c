"""What the numbers behind the class say in a line of YOLO: a box, a polygon, or a box with key points."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from oneglance.data.parsing.annotations.box_geometry import Corners, bounds, number
from oneglance.data.parsing.text_lines import lines_or_none

SEEMING = 1.5  # the largest number of a line that is taken for YOLO by its looks
LONGEST = 9  # digits of the number of a class
MOST_SHARE = 2  # a box may reach beyond its picture, but not by as much again
ORIENTED = 8  # numbers of a turned box: its four corners
FEWEST = 3  # lines that agree, where only their numbers tell key points from a polygon
BEYOND = 0.1  # of the sides of its box that a key point may lie outside
SPREAD = 0.2  # of the sides of its box that key points extend over, at least


class KeyPoints(NamedTuple):
    """What follows each box."""

    points: int
    numbers: int  # of each point: x, y and perhaps whether it is seen

    @property
    def length(self) -> int:
        """Numbers of a line, without its class."""
        return 4 + self.points * self.numbers


def declared(kpt_shape: Any) -> KeyPoints | None:
    """The key points that ``kpt_shape: [17, 3]`` announces; None where it announces none that can be."""
    if not isinstance(kpt_shape, list) or len(kpt_shape) != 2:
        return None
    words = [str(one) for one in kpt_shape]
    if not all(word.isdecimal() and len(word) < 5 for word in words):
        return None
    count, numbers = map(int, words)
    return KeyPoints(count, numbers) if count and numbers in (2, 3) else None


def detected(rows: Iterable[Sequence[float]]) -> KeyPoints | None:
    """The key points of lines where nothing announces any, if their numbers leave no doubt; None: polygons.

    All lines must be as long, each with points in its box. Marks 0, 1, 2 behind every point are proof enough;
    without them, some lines must agree that the points fill a part of the box, which the outline of a thing
    hardly does by chance: its second corner would be the size of a box around its first.
    """
    longer = [row for row in rows if len(row) > 4 and not any(map(math.isnan, row))]
    lengths = {len(row) for row in longer}
    if len(lengths) != 1:
        return None
    (length,) = lengths
    if length == ORIENTED:
        return None
    for numbers in (3, 2):
        count, rest = divmod(length - 4, numbers)
        if rest or not all(_are_key_points(row, numbers) for row in longer):
            continue
        if numbers == 3 or (count > 1 and len(longer) >= FEWEST and all(map(_fills, longer))):
            return KeyPoints(count, numbers)
    return None


def corners(values: Sequence[float], key_points: KeyPoints | None) -> Corners | None:
    """The four edges in shares; None where that many numbers are none of the three."""
    if len(values) == 4 or (key_points and len(values) == key_points.length):
        x, y, width, height = values[:4]
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2
    if key_points or len(values) < 6 or len(values) % 2:
        return None
    return bounds(zip(values[::2], values[1::2], strict=True))


def in_pixels(values: Sequence[float], key_points: KeyPoints | None) -> bool:
    """Whether numbers are too large to be shares of a picture's sides."""
    return max(map(abs, values[:4] if key_points else values)) > MOST_SHARE


def are_rows(text: Iterable[Sequence[str]]) -> bool:
    """Whether lines are a whole number and a box in shares each, or more behind it; False without a line."""
    rows = list(text)
    for words in rows:
        values = [number(word) for word in words]
        if len(values) < 5 or not words[0].isdecimal() or any(map(math.isnan, values)):
            return False
        if max(map(abs, values[1:5])) > SEEMING or not any("." in word for word in words[1:5]):
            return False
    return bool(rows)


def class_numbers(files: Iterable[Path]) -> list[int]:
    """All numbers of classes that lines begin with, sorted."""
    first = {text.split(maxsplit=1)[0] for file in files for text in lines_or_none(file) if text.strip()}
    return sorted(int(word) for word in first if word.isascii() and word.isdecimal() and len(word) <= LONGEST)


def _are_key_points(row: Sequence[float], numbers: int) -> bool:
    x, y, width, height = row[:4]
    points = [row[start : start + numbers] for start in range(4, len(row), numbers)]
    if numbers == 3 and not {point[2] for point in points} <= {0, 1, 2}:
        return False
    return all(
        (abs(point[0] - x) <= (0.5 + BEYOND) * width and abs(point[1] - y) <= (0.5 + BEYOND) * height)
        or not (point[0] or point[1])  # not labelled
        for point in points
    )


def _fills(row: Sequence[float]) -> bool:
    """Whether the points behind a box extend over a part of it."""
    x0, y0, x1, y1 = bounds((x, y) for x, y in zip(row[4::2], row[5::2], strict=True) if x or y)
    return x1 - x0 >= SPREAD * row[2] and y1 - y0 >= SPREAD * row[3]
