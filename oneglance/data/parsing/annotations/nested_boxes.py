"""All boxes of a picture in one cell, as public hubs write them: ``{"bbox": [[x, y, width, height], …],
"category": [1, …]}``, or a list of ``{"bbox": [x, y, width, height], "category": 1}``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from oneglance.data.cell import as_text
from oneglance.data.images.header import Header, header
from oneglance.data.parsing.annotations.box_geometry import (
    NOTHING,
    NOWHERE,
    ROUNDING,
    BoxReader,
    Corners,
    Fault,
    RawBox,
    flag,
    number,
)
from oneglance.data.parsing.annotations.box_spellings import TOGETHER, spelled_box, spelled_edges
from oneglance.data.record import ImageRef
from oneglance.errors import Problem

SAMPLE = 100  # rows that tell whether a field holds boxes
PLACES = (*TOGETHER, "bboxes")
LABELS = (
    *("category", "categories", "label", "labels", "class", "classes", "name", "names", "class_name"),
    "category_id",
)
IGNORED = ("iscrowd", "is_crowd", "ignore", "difficult")
PLAIN = str | int | float

Entry = tuple[str, ImageRef, Mapping[str, Any]]
ClassNames = Mapping[str, Sequence[str]]  # "objects.category" -> class names by number


def with_boxes(
    entries: Iterator[Entry | Problem], title: str, class_names: ClassNames = NOTHING
) -> Iterator[Entry | Problem]:
    """The entries, with the boxes of the upright picture in the place of cells that hold boxes. Columns
    ``width`` and ``height`` are then the size of the annotated picture. Rows without such cells pass by.

    Four numbers are the left and upper edge, the width and the height. They are the four edges where, as a
    size, some reach beyond their pictures and, as edges, all lie inside; this is reported.
    """
    first = list(islice(entries, SAMPLE))
    rows = [item for item in first if not isinstance(item, Problem)]
    fields = list(dict.fromkeys(name for row in rows for name, cell in row[2].items() if _holds_boxes(cell)))
    entries = chain(first, entries)
    if not fields:
        yield from entries
        return
    items = list(entries)
    reader = BoxReader()
    converted = {name: _Field(name, title, class_names, items, reader) for name in fields}
    for item in items:
        yield from _converted(item, converted) if not isinstance(item, Problem) else [item]
    yield from reader.counter.problems()


def _converted(item: Entry, fields: Mapping[str, _Field]) -> Iterator[Entry | Problem]:
    location, image, answers = item
    head, size = header(image), _size(answers)
    kept = {name: cell for name, cell in answers.items() if size is None or name not in ("width", "height")}
    for name, one in fields.items():
        if kept.pop(name, None) is None:
            continue
        annotations, problems = one.reader.annotations(
            location, head, size, one.boxes(location, answers[name]), one.classes
        )
        yield from problems
        if annotations is not None:
            kept[name] = annotations
    yield location, image, kept


class _Field:
    """A field whose cells hold boxes."""

    def __init__(
        self,
        name: str,
        title: str,
        class_names: ClassNames,
        items: Sequence[Entry | Problem],
        reader: BoxReader,
    ) -> None:
        self._name, self._class_names, self.reader = name, class_names, reader
        self._edges = False
        rows = [item for item in items if not isinstance(item, Problem) and item[2].get(name) is not None]
        boxes = [(header(image), self.boxes(location, answers[name])) for location, image, answers in rows]
        labels = {box.label for _, raws in boxes for box in raws if box.label and box.has_place}
        named = (names for field, names in class_names.items() if field.startswith(f"{name}."))
        self.classes = frozenset(labels.union(*named))
        if _fit_only_as_edges(boxes):
            self._edges = True
            what = (
                f"{name} holds boxes that reach beyond their pictures as x, y, width and height, and fit as"
            )
            what += " four edges: they are read as edges"
            reader.counter.add("boxes as edges", title, what, "look at some")

    def boxes(self, location: str, cell: Any) -> list[RawBox]:
        return [self._box(location, thing) for thing in _things(cell)]

    def _box(self, location: str, thing: Mapping[str, Any]) -> RawBox:
        place = next((thing[key] for key in PLACES if key in thing), None)
        corners, edges = spelled_box(place) or (NOWHERE, False)
        if self._edges and not edges and isinstance(place, list):
            corners, edges = spelled_edges(place), True
        key = next((key for key in LABELS if key in thing), "")
        label = self._label(key, thing.get(key))
        fault = None if label or not key else Fault("class missing", f"has a box whose {key} is empty")
        mark = flag(next((thing[key] for key in IGNORED if key in thing), None))
        others = {
            name: value
            for name, value in thing.items()
            if name not in (*PLACES, *LABELS, *IGNORED) and isinstance(value, PLAIN)
        }
        return RawBox(
            location, corners, label, others or NOTHING, mark is not False, edges, class_fault=fault
        )

    def _label(self, key: str, value: Any) -> str:
        names = self._class_names.get(f"{self._name}.{key}")
        if names and isinstance(value, int) and 0 <= value < len(names):
            return names[value].strip()
        return "" if value is None or not isinstance(value, PLAIN) else as_text(value).strip()


def _holds_boxes(cell: Any) -> bool:
    """Whether it is a dictionary of lists, or a list of dictionaries, with boxes in it."""
    if isinstance(cell, dict):
        return any(
            isinstance(cell.get(key), list)
            and all(isinstance(one, list) and len(one) == 4 for one in cell[key])
            for key in PLACES
        )
    return (
        isinstance(cell, list)
        and bool(cell)
        and all(isinstance(one, dict) and any(spelled_box(one.get(key)) for key in PLACES) for one in cell)
    )


def _things(cell: Any) -> Iterator[Mapping[str, Any]]:
    """The things of a cell, each with all that is said of it."""
    if isinstance(cell, list):
        yield from (one for one in cell if isinstance(one, dict))
    elif isinstance(cell, dict):
        places: list[Any] = next((cell[key] for key in PLACES if isinstance(cell.get(key), list)), [])
        lists = {
            key: value for key, value in cell.items() if isinstance(value, list) and len(value) == len(places)
        }
        for index in range(len(places)):
            yield {key: value[index] for key, value in lists.items()}


def _size(answers: Mapping[str, Any]) -> tuple[float, float] | None:
    width, height = number(answers.get("width")), number(answers.get("height"))
    return (width, height) if width > 0 and height > 0 else None


def _fit_only_as_edges(boxes: Sequence[tuple[Header | None, Sequence[RawBox]]]) -> bool:
    beyond = False
    for head, raws in boxes:
        for raw in raws if head else ():
            if raw.edges or not raw.has_place:
                continue
            assert head is not None
            width, height = head.upright
            x0, y0, x1, y1 = raw.corners
            beyond = beyond or x1 > width + ROUNDING or y1 > height + ROUNDING
            edges: Corners = (x0, y0, x1 - x0, y1 - y0)
            if not (x0 < edges[2] <= width + ROUNDING and y0 < edges[3] <= height + ROUNDING):
                return False
    return beyond
