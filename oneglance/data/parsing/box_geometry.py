"""From the boxes of an annotation file to boxes of the upright picture, and a problem for every other one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from oneglance.data.images.header import Header
from oneglance.data.parsing.problem_counter import ProblemCounter
from oneglance.data.quoting import quoted
from oneglance.data.record import Box, BoxAnnotations
from oneglance.errors import Problem

NOTHING: Mapping[str, Any] = {}  # one for all boxes without attributes; never changed
ROUNDING = 1.0  # pixels that a box may reach beyond its picture without a problem

Corners = tuple[float, float, float, float]
Size = tuple[float, float]  # width, height


@dataclass(frozen=True, slots=True)
class RawBox:
    """A box as a file has it, before it is checked and turned."""

    location: str
    corners: Corners  # left, top, right, bottom edge in pixels; NaN where the file holds no number
    label: str
    attributes: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    ignore: bool = False


def number(value: Any) -> float:
    """``value`` as a finite number; NaN where it is none. Text may be a number, True is none."""
    if (
        isinstance(value, bool)
        or not isinstance(value, str | int | float)
        or (type(value) is str and "_" in value)
    ):
        return math.nan
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return math.nan
    return result if math.isfinite(result) else math.nan


def bounds(points: Iterable[tuple[float, float]]) -> Corners:
    """The smallest box around some points; four NaN where there is none or one is no number."""
    points = list(points)
    if not points or any(math.isnan(value) for point in points for value in point):
        return math.nan, math.nan, math.nan, math.nan
    across, down = [x for x, _ in points], [y for _, y in points]
    return min(across), min(down), max(across), max(down)


def rotated(corners: Corners, degrees: float, pivot: tuple[float, float]) -> Corners:
    """The bounds of a box that is turned clockwise about ``pivot``."""
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    x0, y0, x1, y1 = corners
    return bounds(
        (
            pivot[0] + (x - pivot[0]) * cosine - (y - pivot[1]) * sine,
            pivot[1] + (x - pivot[0]) * sine + (y - pivot[1]) * cosine,
        )
        for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    )


class BoxReader:
    """Makes the annotations of one source. ``counter`` collects what is reported once per kind; the source
    adds its own remarks to it.

    Edges beyond the picture are cut. A box that cannot be used is left out with a Problem of its own:
    corners that are no numbers or swapped, no area, wholly outside the picture.
    """

    def __init__(self) -> None:
        self.counter = ProblemCounter()

    def annotations(
        self,
        location: str,
        head: Header | None,
        size: Size | None,
        raw_boxes: Sequence[RawBox],
        queried: frozenset[str] | None = None,
    ) -> tuple[BoxAnnotations | None, list[Problem]]:
        """The annotations of one picture.

        Args:
            location: of the picture, for messages.
            head: the header of its file; None where it cannot be read.
            size: width and height of the picture that was annotated, where the file holds them.
            raw_boxes: its boxes in pixels of that size.
            queried: the classes that the annotator looked for.

        Returns:
            None for a picture of another shape than the annotated one (its boxes mean nothing), and problems.
        """
        if size is not None and not (0 < size[0] < math.inf and 0 < size[1] < math.inf):
            size = None
        geometry = self._geometry(location, head, size, raw_boxes) if raw_boxes else _Geometry(None)
        if isinstance(geometry, Problem):
            return None, [geometry]
        boxes, problems = [], []
        for raw_box in raw_boxes:
            result = self._box(raw_box, geometry)
            if isinstance(result, Problem):
                problems.append(result)
            else:
                boxes.append(result)
        return BoxAnnotations(tuple(boxes), queried), problems

    def _geometry(
        self, location: str, head: Header | None, size: Size | None, raw_boxes: Sequence[RawBox]
    ) -> _Geometry | Problem:
        """How pixels of the annotation file become pixels of the upright picture."""
        if head is None:
            return _Geometry(size)
        stored, upright = (head.width, head.height), head.upright
        if head.orientation == 1 or (size == upright != stored):
            turned_by = None
        elif size == stored != upright or (
            size is None and _fits(raw_boxes, stored) > _fits(raw_boxes, upright)
        ):
            what = "was drawn on as it lies in the file, and its EXIF tag turns it: its boxes are turned, too"
            self.counter.add("boxes drawn lying", location, what, "look at some")
            turned_by = head
        else:
            what = "is turned by its EXIF tag, and nothing says whether its boxes were drawn on it upright"
            self.counter.add("boxes on a turned picture", location, what, "they are taken so; look at some")
            turned_by = None
        annotated_size = stored if turned_by else upright
        if size is None or size == annotated_size:
            return _Geometry(upright, turned_by)
        if abs(size[0] * annotated_size[1] - size[1] * annotated_size[0]) <= max(
            *size, *annotated_size
        ):  # a pixel of rounding
            given, true = _times(size), _times(annotated_size)
            what = f"was drawn on at {given} pixels and has {true}: its boxes are scaled"
            self.counter.add("boxes scaled", location, what)
            return _Geometry(upright, turned_by, (annotated_size[0] / size[0], annotated_size[1] / size[1]))
        what = f"was drawn on at {_times(size)} pixels, but the picture has {_times(annotated_size)}"
        hint = "give the picture that was drawn on; its boxes are left out"
        return Problem(location, what, hint, kind="size of the picture", fatal=False)

    def _box(self, raw: RawBox, geometry: _Geometry) -> Box | Problem:
        x0, y0, x1, y1 = raw.corners
        if not all(map(math.isfinite, raw.corners)):
            return _unusable(raw, "has a corner that is no number")
        if x1 < x0 or y1 < y0:
            return _unusable(raw, "has its corners swapped")
        if x1 == x0 or y1 == y0:
            return _unusable(raw, "has no area")
        x0, y0, x1, y1 = geometry.upright(raw.corners)
        width, height = geometry.size or (math.inf, math.inf)
        if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
            return _unusable(raw, f"lies outside the picture ({_times(geometry.size)} pixels)", "box outside")
        beyond = max(-x0, -y0, x1 - width, y1 - height)
        if beyond > ROUNDING:
            what = f"{_a_box(raw)} reaches {beyond:.0f} pixels beyond the picture and is cut at its edge"
            self.counter.add("box beyond the edge", raw.location, what)
        if beyond > 0:
            x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))
        return Box(x0, y0, x1, y1, raw.label, raw.attributes, raw.ignore)


@dataclass(frozen=True, slots=True)
class _Geometry:
    size: Size | None  # of the upright picture
    turned_by: Header | None = None  # what turns the boxes
    scale: Size = (1.0, 1.0)  # before they are turned

    def upright(self, corners: Corners) -> Corners:
        x0, y0, x1, y1 = corners
        if self.scale != (1.0, 1.0):
            across, down = self.scale
            x0, y0, x1, y1 = x0 * across, y0 * down, x1 * across, y1 * down
        if self.turned_by is None:
            return x0, y0, x1, y1
        return bounds([self.turned_by.turned(x0, y0), self.turned_by.turned(x1, y1)])


def _fits(raw_boxes: Iterable[RawBox], size: Size) -> bool:
    return all(
        not (raw.corners[2] > size[0] + ROUNDING or raw.corners[3] > size[1] + ROUNDING) for raw in raw_boxes
    )


def _unusable(raw: RawBox, what: str, kind: str = "") -> Problem:
    hint = "correct or remove it; the box is left out"
    return Problem(raw.location, f"{_a_box(raw)} {what}", hint, kind=kind or f"box {what}", fatal=False)


def _a_box(raw: RawBox) -> str:
    return f"the box {quoted(raw.label)}" if raw.label else "a box"


def _times(size: Size | None) -> str:
    return f"{size[0]:g} × {size[1]:g}" if size else "its"
