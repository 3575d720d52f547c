"""What the words of a line of boxes mean: ``class xmin ymin xmax ymax`` and the many other orders."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from oneglance.data.parsing.annotations.box_geometry import (
    NOTHING,
    NOWHERE,
    REPORTED,
    Corners,
    Fault,
    RawBox,
    Size,
    bounds,
    flag,
    number,
)
from oneglance.data.parsing.annotations.box_spellings import EDGES, SIZES, sized, spelled_edges
from oneglance.data.quoting import quoted

LABELS = ("class", "label", "name", "category", "type")
IGNORE = ("ignore", "difficult", "iscrowd")
VALID = ("valid", "considered")  # the opposite: 0 makes a region to ignore
LEFT_OUT = ("-", "_", "")
CENTRES = (
    ("cx", "cy", "w", "h"),
    ("cx", "cy", "width", "height"),
    ("x_center", "y_center", "width", "height"),
    ("x_centre", "y_centre", "width", "height"),
)
CORNERS = tuple(f"{axis}{corner}" for corner in (1, 2, 3, 4) for axis in "xy")  # of a turned box
KITTI = ("class", "truncated", "occluded", "-", "xmin", "ymin", "xmax", "ymax")
KITTI_LENGTH = (15, 16)  # words of a line; the last says how sure a network was
VISDRONE = ("x", "y", "w", "h", "valid", "class", "truncated", "occluded")
VISDRONE_CLASSES = (
    *("pedestrian", "people", "bicycle", "car", "van", "truck", "tricycle", "awning-tricycle", "bus"),
    *("motor", "others"),
)  # from 1; 0 is a region to ignore
HEADING = re.compile(r"(imagesource|gsd|acquisition ?dates?)\s*:", re.IGNORECASE)  # above the boxes of DOTA
TOLERANCE = 2.0  # pixels that boxes may reach beyond their pictures and still fit
FITTING, PERHAPS = 0.98, 0.9  # share of the lines that fit in an order that is right, or may be right
EXAMPLES = '["class", "xmin", "ymin", "xmax", "ymax"], ["x", "y", "w", "h"] or ["cx", "cy", "w", "h"]'


@dataclass(frozen=True)
class Columns:
    """What stands where in a line.

    Raises:
        ValueError: they do not say where a box is.
    """

    names: Sequence[str]

    def __post_init__(self) -> None:
        if not self._four:
            raise ValueError("they name no four numbers of a box")

    @property
    def _four(self) -> Sequence[str]:
        """The names of the numbers of a box."""
        names = [name.lower() for name in self.names]
        families = (CORNERS, *EDGES, *SIZES, *CENTRES)
        return next((four for four in families if all(name in names for name in four)), ())

    def box(
        self,
        words: Sequence[str],
        location: str,
        sides: Size | None,
        ignored: Iterable[str] = (),
        classes: Mapping[str, str] = NOTHING,
    ) -> RawBox:
        """The thing of one line.

        Args:
            sides: width and height of the picture, where numbers are shares of these.
            ignored: classes that make a region to ignore.
            classes: what words of the class stand for, where they are no names.
        """
        if len(words) < len(self.names):
            what = (
                f"is {quoted(' '.join(words))}: {len(words)} words, where {len(self.names)} columns are named"
            )
            fault = Fault("line of no box", what)
            return RawBox(location, NOWHERE, "", place_fault=fault, class_fault=REPORTED)
        cells = dict(zip((name.lower() for name in self.names), words, strict=False))
        label_column = next((name for name in LABELS if name in cells), "")
        label = cells.get(label_column, "").strip()
        class_fault = (
            None if label or not label_column else Fault("class missing", "has a box without a class")
        )
        corners = self._corners(cells)
        if sides is not None:
            width, height = sides
            corners = corners[0] * width, corners[1] * height, corners[2] * width, corners[3] * height
        flags = [flag(cells[name]) is not False for name in IGNORE if name in cells]
        flags += [flag(cells[name]) is not True for name in VALID if name in cells]
        taken = {label_column, *self._four, *IGNORE, *VALID, *LEFT_OUT}
        others = {name: cells[name.lower()] for name in self.names if name.lower() not in taken}
        label, written = classes.get(label, label), label
        is_ignored = any(flags) or bool({label, written} & set(ignored))
        return RawBox(
            location,
            corners,
            "" if {label, written} & set(ignored) else label,
            others or NOTHING,
            is_ignored,
            self._four in EDGES,
            class_fault=class_fault,
        )

    def _corners(self, cells: dict[str, str]) -> Corners:
        values = [number(cells[name]) for name in self._four]
        if self._four == CORNERS:
            return bounds(zip(values[::2], values[1::2], strict=True))
        if self._four in EDGES:
            return spelled_edges(values)
        if self._four in SIZES:
            return sized(values)
        return _centred(values)


@dataclass(frozen=True)
class Detected:
    """What lines seem to hold; without ``names``, ``doubt`` says what nobody can tell."""

    names: tuple[str, ...] = ()
    shares: bool = False
    ignore: tuple[str, ...] = ()
    classes: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    doubt: str = ""

    @property
    def keys(self) -> dict[str, Any]:
        """The keys of [[sources]] that say so."""
        keys: dict[str, Any] = {"columns": list(self.names)}
        return (
            keys
            | ({"shares": True} if self.shares else {})
            | ({"ignore": [*self.ignore]} if self.ignore else {})
            | ({"classes": dict(self.classes)} if self.classes else {})
        )


def words_of(line: str, separator: str = "") -> list[str]:
    """The words of a line, between ``separator``; default: between commas, semicolons, or else spaces."""
    chosen = separator or next((mark for mark in ",;" if mark in line), "")
    return [word.strip().strip("\"'") for word in line.split(chosen)] if chosen.strip() else line.split()


def is_count(words: Sequence[str]) -> bool:
    """Whether a line only says how many follow."""
    return len(words) == 1 and words[0].isdecimal()


def is_heading(line: str) -> bool:
    """Whether a line tells of the picture and of no box, as those do with which files of DOTA begin."""
    return HEADING.match(line) is not None


def detected(rows: Sequence[tuple[Sequence[str], Size | None]]) -> Detected | None:
    """What lines hold by their looks; None where they seem to hold no boxes.

    Args:
        rows: the words of lines, each with width and height of its picture.
    """
    if not rows or min(len(words) for words, _ in rows) < 4:
        return None
    length = min(len(words) for words, _ in rows)
    numeric = [all(_is_number(words[at]) for words, _ in rows) for at in range(length)]
    if length in KITTI_LENGTH and not numeric[0] and all(numeric[1:]):
        ignored = ("DontCare",) if any(words[0] == "DontCare" for words, _ in rows) else ()
        return Detected(KITTI, ignore=ignored)
    if length >= 9 and all(numeric[:8]) and not numeric[8]:
        return Detected((*CORNERS, "class", *(("difficult",) if length > 9 and numeric[9] else ())))
    if length >= len(VISDRONE) and all(numeric[: len(VISDRONE)]) and _are_of_visdrone(rows):
        names = {str(number): name for number, name in enumerate(VISDRONE_CLASSES, 1)}
        return Detected(VISDRONE, ignore=("0",), classes=names)
    places = list(_places(numeric))
    likely = [one for place in places if (one := _with_numbers(rows, *place)) is not None]
    certain = [one for one in likely if one.names]
    if certain:
        return certain[0]
    return likely[0] if likely else None


def _are_of_visdrone(rows: Sequence[tuple[Sequence[str], Size | None]]) -> bool:
    """Whether the values and classes behind four numbers are those of VisDrone, and the numbers fit."""
    highest = (1, len(VISDRONE_CLASSES), 1, 2)  # whether it counts, its class, truncated, occluded
    for words, _ in rows:
        values = words[4 : len(VISDRONE)]
        if not all(
            value.isdecimal() and int(value[:4]) <= most for value, most in zip(values, highest, strict=True)
        ):
            return False
        if any(words[len(VISDRONE) :]):
            return False
    fitting = sum(_fits(sized([number(word) for word in words[:4]]), size, False) for words, size in rows)
    return fitting >= FITTING * len(rows)


def _places(numeric: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """(where the class may stand or -1, where the four numbers then begin)."""
    words = [at for at, one in enumerate(numeric) if not one]
    if len(words) == 1 and words[0] == 0 and all(numeric[1:5]) and len(numeric) >= 5:
        yield 0, 1
    elif len(words) == 1 and words[0] >= 4:
        yield words[0], 0
    elif not words and len(numeric) == 4:
        yield -1, 0
    elif not words and len(numeric) == 5:
        yield 0, 1
        yield 4, 0


def _with_numbers(
    rows: Sequence[tuple[Sequence[str], Size | None]], label: int, start: int
) -> Detected | None:
    """The meaning of the four numbers from ``start``, by what fits into the pictures."""
    labels = [words[label] for words, _ in rows] if label >= 0 else []
    if any(map(_is_number, labels)) and not all(map(str.isdecimal, labels)):
        return None  # the number of a class is whole
    boxes = [([number(word) for word in words[start : start + 4]], size) for words, size in rows]
    shares = all(0 <= value <= 1 for four, _ in boxes for value in four)
    sides = [(four, (1.0, 1.0) if shares else size) for four, size in boxes]
    share = {
        names: sum(_fits(corners(four), size, shares) for four, size in sides) / len(sides)
        for names, corners in ((EDGES[0], spelled_edges), (SIZES[1], sized), (CENTRES[0], _centred))
    }
    if max(share.values()) < FITTING:
        return None
    fitting = [names for names in share if share[names] >= PERHAPS]
    if not shares and fitting == [SIZES[1], CENTRES[0]]:
        fitting = [SIZES[1]]  # centres in pixels are seldom written
    if len(fitting) > 1:
        doubt = " and ".join(", ".join(names) for names in fitting)
        return Detected(doubt=f"the four numbers of its lines may be {doubt}: both fit into the pictures")
    before = ("class",) if label == 0 else ()
    between = ("-",) * max(0, label - 4)
    return Detected((*before, *fitting[0], *between, *(("class",) if label > 0 else ())), shares)


def _is_number(word: str) -> bool:
    return not math.isnan(number(word))


def _centred(four: Sequence[float]) -> Corners:
    x, y, width, height = four
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _fits(corners: Corners, size: Size | None, shares: bool) -> bool:
    x0, y0, x1, y1 = corners
    width, height = size or (math.inf, math.inf)
    slack = 0.01 if shares else min(TOLERANCE, 0.01 * max(width, height))
    return -slack <= x0 < x1 <= width + slack and -slack <= y0 < y1 <= height + slack
