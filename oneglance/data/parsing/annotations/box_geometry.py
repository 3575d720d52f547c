"""From the boxes of an annotation file to boxes of the upright picture, and a problem for every other one."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from oneglance.data import cell
from oneglance.data.images.header import Header
from oneglance.data.parsing.problem_counter import ProblemCounter
from oneglance.data.quoting import quoted
from oneglance.data.record import Box, BoxAnnotations
from oneglance.errors import Problem

NOTHING: Mapping[str, Any] = {}  # one for all boxes without attributes; never changed
ROUNDING = 1.0  # pixels that a box may reach beyond its picture without a problem

Corners = tuple[float, float, float, float]
Size = tuple[float, float]  # width, height


class Fault(NamedTuple):
    """Why the place or the class of a thing cannot be used, in the words of a Problem."""

    kind: str
    what: str


REPORTED = Fault("", "")  # the source has reported it already
NOWHERE: Corners = (math.nan, math.nan, math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class RawBox:
    """A thing as a file has it, before it is checked and turned: a line, a region, an annotation."""

    location: str
    corners: Corners  # left, top, right, bottom edge in pixels; NaN where the file holds no number
    label: str  # "" where there is none, or none that can be used
    attributes: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    ignore: bool = False
    edges: bool = False  # the file holds the four edges themselves, so that swapped ones can be put right
    place_fault: Fault | None = None  # why its place cannot be used; the corners mean nothing then
    class_fault: Fault | None = None  # why its class cannot be used

    @property
    def has_place(self) -> bool:
        """Whether its corners are numbers."""
        return self.place_fault is None and all(map(math.isfinite, self.corners))


def number(value: Any) -> float:
    """``value`` as a finite number; NaN where it is none. Text may be a number, True is none."""
    if type(value) is float:  # in nearly all files of boxes, a million times
        return value if math.isfinite(value) else math.nan
    result = cell.number(value)
    return result if result is not None and math.isfinite(result) else math.nan


def bounds(points: Iterable[tuple[float, float]]) -> Corners:
    """The smallest box around some points; four NaN where there is none or one is no number."""
    points = list(points)
    if not points or any(math.isnan(value) for point in points for value in point):
        return NOWHERE
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


def flag(value: Any) -> bool | None:
    """Whether a mark such as ``iscrowd`` or ``difficult`` is set; None where nobody can tell."""
    if not value or value is True:
        return bool(value)
    word = value.strip().lower() if isinstance(value, str) else value
    if word in ("", "no", "false", "n", "f"):
        return False
    if word in ("yes", "true", "y", "t"):
        return True
    amount = number(word)
    return None if math.isnan(amount) else amount > 0


def identity(box: Box) -> tuple[float, float, float, float, str, bool]:
    """What two boxes share if they are one thing that was drawn twice."""
    return box.x0, box.y0, box.x1, box.y1, box.label, box.ignore


def distinct(boxes: Sequence[Box]) -> tuple[Box, ...]:
    """The boxes, each once: what has the same class and the same four edges is one thing, but a region to
    ignore is none. Of two values of one attribute that differ neither is kept.
    """
    once: dict[Any, Box] = {}
    for box in boxes:
        first = once.setdefault(identity(box), box)
        if first is not box:
            once[identity(box)] = replace(first, attributes=_agreeing(first, box))
    return tuple(boxes) if len(once) == len(boxes) else tuple(once.values())


class BoxReader:
    """Makes the annotations of one source. ``counter`` collects what is reported once per kind; the source
    adds its own remarks to it.

    What becomes of a thing that somebody drew, in every format:

    - place and class can be used: a box. Edges beyond the picture are cut; swapped edges are put right where
      the file holds edges and they then lie in the picture. What is there twice, to the pixel and with the
      same class, is one box.
    - the place alone can be used: a box without a class. Whatever is found there is neither right nor wrong.
    - the class alone can be used (corners that are no numbers, no area, outside of the picture, a shape
      without extent): it is there, and nobody knows where, so the class is not queried in this picture.
    - neither, or a class that is none of those looked for: no class is queried in this picture.

    Each of the last three, and each thing that is there twice, is reported. A picture whose every class is
    unknown and that has no box counts as one that nobody annotated.
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
            None for a picture of which nothing is known: it has another shape than the annotated one, so
            that its boxes mean nothing, or see above; and problems.
        """
        if size is not None and not (0 < size[0] < math.inf and 0 < size[1] < math.inf):
            size = None
        geometry = self._geometry(location, head, size, raw_boxes) if raw_boxes else _Geometry(None)
        if isinstance(geometry, Problem):
            return None, [geometry]
        boxes: list[Box] = []
        problems: list[Problem] = []
        lost: set[str] = set()  # classes of things that are somewhere in the picture
        seen: dict[Any, Box] = {}
        for raw in raw_boxes:
            box = self._box(raw, geometry)
            if raw.class_fault is not None or isinstance(box, Fault):
                problems += _problems(raw, box)
            if isinstance(box, Fault):
                # A word that is no class of the source may be a misspelt one: any.
                known = box is REPORTED or queried is None or raw.label in queried
                lost.add(raw.label if known else "")
                continue
            boxes.append(box)
            first = seen.setdefault(identity(box), box)
            if first is not box:
                self._report_repeated(raw, first, box)
        once = tuple(boxes) if len(seen) == len(boxes) else distinct(boxes)
        return _known(once, queried, lost), problems

    def _report_repeated(self, raw: RawBox, first: Box, box: Box) -> None:
        what, hint = f"{_a_box(raw)} is there twice, with the same four edges: it counts once", "remove one"
        self.counter.add("box twice", raw.location, what, hint)
        if len(_agreeing(first, box)) < len(first.attributes.keys() | box.attributes.keys()):
            what = f"{_a_box(raw)} is there twice, with different attributes: those are unknown"
            self.counter.add("box twice, differently", raw.location, what, hint)

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

    def _box(self, raw: RawBox, geometry: _Geometry) -> Box | Fault:
        """The box, or why its place cannot be used."""
        if raw.place_fault is not None:
            return raw.place_fault
        x0, y0, x1, y1 = raw.corners
        if not math.isfinite(x0 + y0 + x1 + y1) and not raw.has_place:
            return _fault("has a corner that is no number")
        swapped = x1 < x0 or y1 < y0
        if swapped and not raw.edges:
            return _fault("has its corners swapped")
        if x1 == x0 or y1 == y0:
            return _fault("has no area")
        if swapped:
            x0, y0, x1, y1 = min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
        x0, y0, x1, y1 = geometry.upright((x0, y0, x1, y1))
        width, height = geometry.size or (math.inf, math.inf)
        beyond = max(-x0, -y0, x1 - width, y1 - height)
        if swapped and beyond > ROUNDING:
            return _fault("has its corners swapped")  # more than that is wrong with them
        if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
            return Fault("box outside", f"lies outside the picture ({_times(geometry.size)} pixels)")
        if swapped:
            what = (
                f"{_a_box(raw)} has its corners swapped: the smaller numbers are taken for the left and top"
            )
            self.counter.add("box has its corners swapped", raw.location, what, "look at some")
        if beyond > ROUNDING:
            what = f"{_a_box(raw)} reaches {beyond:.0f} pixels beyond the picture and is cut at its edge"
            self.counter.add("box beyond the edge", raw.location, what)
        if beyond > 0:
            x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))
        return Box(x0, y0, x1, y1, raw.label, raw.attributes, raw.ignore)


def _known(
    boxes: tuple[Box, ...], queried: frozenset[str] | None, lost: Collection[str]
) -> BoxAnnotations | None:
    """What is known of a picture in which there are things of the classes ``lost``, nobody knows where."""
    if not lost:
        return BoxAnnotations(boxes, queried)
    known = frozenset(box.label for box in boxes) - {""} if queried is None else queried
    known = frozenset() if "" in lost else known - frozenset(lost)
    return BoxAnnotations(boxes, known, frozenset(lost)) if known or boxes else None


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
        max(raw.corners[0::2]) <= size[0] + ROUNDING and max(raw.corners[1::2]) <= size[1] + ROUNDING
        for raw in raw_boxes
        if raw.has_place
    )


def _fault(what: str) -> Fault:
    return Fault(f"box {what}", what)


def _problems(raw: RawBox, box: Box | Fault) -> list[Problem]:
    """What is to be said of one thing."""
    problems = []
    if isinstance(box, Fault) and box is not REPORTED:
        whose = f"the class {quoted(raw.label)} is" if raw.label else "all classes are"
        hint = f"correct or remove it; {whose} unknown in this picture"
        what = box.what if box is raw.place_fault else f"{_a_box(raw)} {box.what}"
        problems.append(Problem(raw.location, what, hint, kind=box.kind, fatal=False))
    if raw.class_fault is not None and raw.class_fault is not REPORTED:
        kind, what = raw.class_fault
        hint = "correct it; " + (
            "all classes are unknown" if isinstance(box, Fault) else "its place is ignored"
        )
        problems.append(Problem(raw.location, what, hint, kind=kind, fatal=False))
    return problems


def _agreeing(first: Box, second: Box) -> dict[str, Any]:
    """The attributes of one thing that was drawn twice."""
    both = {**second.attributes, **first.attributes}
    return {name: value for name, value in both.items() if second.attributes.get(name, value) == value}


def _a_box(raw: RawBox) -> str:
    return f"the box {quoted(raw.label)}" if raw.label else "a box"


def _times(size: Size | None) -> str:
    return f"{size[0]:g} × {size[1]:g}" if size else "its"
