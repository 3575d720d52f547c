"""From the boxes of an annotation file to boxes of the upright picture, and what is said of the others."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from oneglance.data.images.header import Header
from oneglance.data.parsing.problem_counter import Tally
from oneglance.data.parsing.quoting import quoted
from oneglance.data.record import Box, BoxAnnotations
from oneglance.errors import Problem

NOTHING: Mapping[str, Any] = {}  # one for all boxes without attributes; never changed
ROUNDING = 1.0  # pixels that a box may reach beyond its picture without being told

Corners = tuple[float, float, float, float]
Size = tuple[float, float]  # width, height


@dataclass(frozen=True, slots=True)
class Drawn:
    """A box as a file has it."""

    location: str
    corners: Corners  # left, top, right, bottom edge in pixels; NaN where the file holds no number
    label: str
    attributes: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    ignore: bool = False


def number(said: Any) -> float:
    """``said`` as a finite number; NaN where it is none. Text may be a number, True is none."""
    if (
        isinstance(said, bool)
        or not isinstance(said, str | int | float)
        or (type(said) is str and "_" in said)
    ):
        return math.nan
    try:
        found = float(said)
    except (ValueError, OverflowError):
        return math.nan
    return found if math.isfinite(found) else math.nan


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


class Boxes:
    """The boxes of one source. ``told`` counts what is told once: a member adds its own remarks to it.

    Edges beyond the picture are cut. A box that cannot be used is left out with a Problem of its own:
    corners that are no numbers or swapped, no area, wholly outside the picture.
    """

    def __init__(self) -> None:
        self.told = Tally()

    def seen(
        self,
        location: str,
        head: Header | None,
        size: Size | None,
        drawn: Sequence[Drawn],
        queried: frozenset[str] | None = None,
    ) -> tuple[BoxAnnotations | None, list[Problem]]:
        """What somebody saw in one picture.

        Args:
            where: the picture, for messages.
            head: what its first bytes say; None where it cannot be read.
            size: width and height of the picture as its boxes were drawn, where the file says so.
            drawn: its boxes in pixels of that size.
            asked: the classes looked for.

        Returns:
            None for a picture that is not the one that was drawn on: its boxes mean nothing.
        """
        if size is not None and not (0 < size[0] < math.inf and 0 < size[1] < math.inf):
            size = None
        place = self._place(location, head, size, drawn) if drawn else _Place(None)
        if isinstance(place, Problem):
            return None, [place]
        boxes, problems = [], []
        for one in drawn:
            found = self._box(one, place)
            if isinstance(found, Problem):
                problems.append(found)
            else:
                boxes.append(found)
        return BoxAnnotations(tuple(boxes), queried), problems

    def _place(
        self, location: str, head: Header | None, size: Size | None, drawn: Sequence[Drawn]
    ) -> _Place | Problem:
        """How to come from pixels as drawn to pixels of the upright picture."""
        if head is None:
            return _Place(size)
        stored, upright = (head.width, head.height), head.upright
        if head.orientation == 1 or (size == upright != stored):
            turned = None
        elif size == stored != upright or (size is None and _fits(drawn, stored) > _fits(drawn, upright)):
            what = "was drawn on as it lies in the file, and its EXIF tag turns it: its boxes are turned, too"
            self.told.note("boxes drawn lying", location, what, "look at some")
            turned = head
        else:
            what = "is turned by its EXIF tag, and nothing says whether its boxes were drawn on it upright"
            self.told.note("boxes on a turned picture", location, what, "they are taken so; look at some")
            turned = None
        drawn_on = stored if turned else upright
        if size is None or size == drawn_on:
            return _Place(upright, turned)
        if abs(size[0] * drawn_on[1] - size[1] * drawn_on[0]) <= max(*size, *drawn_on):  # a pixel of rounding
            said, true = _times(size), _times(drawn_on)
            what = f"was drawn on at {said} pixels and has {true}: its boxes are scaled"
            self.told.note("boxes scaled", location, what)
            return _Place(upright, turned, (drawn_on[0] / size[0], drawn_on[1] / size[1]))
        what = f"was drawn on at {_times(size)} pixels, but the picture has {_times(drawn_on)}"
        hint = "give the picture that was drawn on; its boxes are left out"
        return Problem(location, what, hint, kind="size of the picture", fatal=False)

    def _box(self, drawn: Drawn, place: _Place) -> Box | Problem:
        x0, y0, x1, y1 = drawn.corners
        if not all(map(math.isfinite, drawn.corners)):
            return _useless(drawn, "has a corner that is no number")
        if x1 < x0 or y1 < y0:
            return _useless(drawn, "has its corners swapped")
        if x1 == x0 or y1 == y0:
            return _useless(drawn, "has no area")
        x0, y0, x1, y1 = place.upright(drawn.corners)
        width, height = place.size or (math.inf, math.inf)
        if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
            return _useless(drawn, f"lies outside the picture ({_times(place.size)} pixels)", "box outside")
        beyond = max(-x0, -y0, x1 - width, y1 - height)
        if beyond > ROUNDING:
            what = f"{_a_box(drawn)} reaches {beyond:.0f} pixels beyond the picture and is cut at its edge"
            self.told.note("box beyond the edge", drawn.location, what)
        if beyond > 0:
            x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))
        return Box(x0, y0, x1, y1, drawn.label, drawn.attributes, drawn.ignore)


@dataclass(frozen=True, slots=True)
class _Place:
    size: Size | None  # of the upright picture
    turned: Header | None = None  # what turns the boxes
    scale: Size = (1.0, 1.0)  # before they are turned

    def upright(self, corners: Corners) -> Corners:
        x0, y0, x1, y1 = corners
        if self.scale != (1.0, 1.0):
            across, down = self.scale
            x0, y0, x1, y1 = x0 * across, y0 * down, x1 * across, y1 * down
        if self.turned is None:
            return x0, y0, x1, y1
        return bounds([self.turned.turned(x0, y0), self.turned.turned(x1, y1)])


def _fits(drawn: Iterable[Drawn], size: Size) -> bool:
    return all(
        not (one.corners[2] > size[0] + ROUNDING or one.corners[3] > size[1] + ROUNDING) for one in drawn
    )


def _useless(drawn: Drawn, what: str, kind: str = "") -> Problem:
    hint = "correct or remove it; the box is left out"
    return Problem(drawn.location, f"{_a_box(drawn)} {what}", hint, kind=kind or f"box {what}", fatal=False)


def _a_box(drawn: Drawn) -> str:
    return f"the box {quoted(drawn.label)}" if drawn.label else "a box"


def _times(size: Size | None) -> str:
    return f"{size[0]:g} × {size[1]:g}" if size else "its"
