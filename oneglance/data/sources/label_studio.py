"""Label Studio: the JSON or JSON-MIN that it exports: boxes in per cent, answers about pictures."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

from oneglance.data.images.header import header
from oneglance.data.images.references import is_picture
from oneglance.data.parsing.box_geometry import NOTHING, Boxes, Corners, Drawn, Size, bounds, number, rotated
from oneglance.data.parsing.delimited import SAMPLE
from oneglance.data.parsing.image_paths import find_nearby
from oneglance.data.parsing.label_studio_min import is_short, unfolded
from oneglance.data.parsing.quoting import plain, quoted
from oneglance.data.parsing.structured_files import beginning, read_json
from oneglance.data.source import Found, Source
from oneglance.errors import DataError, Problem


class LabelStudio(Source):
    """A JSON file as Label Studio exports it, "JSON" or "JSON-MIN": a list of tasks.

    The field ``objects`` holds the boxes; polygons, ellipses and turned boxes are taken by their bounds. What
    is said of one region is its attributes, what is said of the picture a field, each under the ``name`` of
    its control: choices, taxonomies (``animal/cat``), numbers, ratings, texts; several at once are a list.
    What the task's ``data`` hold beside the picture are fields, too.

    Of several annotations of a task the first that was not cancelled counts; predictions do not. Where any
    annotation of the file holds a box, one without says that there is none. The classes looked for are all
    that any box names.

    Pictures are found by their path (``/data/local-files/?d=sub/a.jpg``), or by their name alone where they
    were uploaded or lie on the web.
    """

    image: str = ""  # the key of the picture in `data`; default: the one whose values look like pictures

    rank: ClassVar[int] = 10

    @classmethod
    def recognises(cls, path: Path) -> bool:
        start = beginning(path) if path.suffix.lower() == ".json" else b""
        return start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"[" and (
            (re.search(rb'"(annotations|completions)"', start) is not None and b'"data"' in start)
            or (b'"annotation_id"' in start and b'"lead_time"' in start)
        )

    def found(self) -> Iterator[Found | Problem]:
        said = read_json(self.path)
        if not isinstance(said, list):
            raise DataError(
                "is no list of tasks", location=self.title, hint='export it from Label Studio as "JSON"'
            )
        boxes = Boxes()
        tasks: list[_Task] = []
        for place, entry in enumerate(_whole(said, self.title, boxes)):
            found = _task(entry, f"{self.title}: task {place}", self.image, boxes)
            if isinstance(found, Problem):
                yield found
            else:
                tasks.append(found)
        looked = any(task.regions for task in tasks)
        every = frozenset(label for task in tasks for region in task.regions for label in region.labels)
        find = find_nearby(self.images, self.path, [task.picture for task in tasks[:SAMPLE]])
        for task in tasks:
            image = find(task.picture, task.location)
            if isinstance(image, Problem):
                yield image
                continue
            answers = task.fields
            if looked and task.annotated:
                head = header(image)
                size = task.size or (head.upright if head else (math.nan, math.nan))
                drawn = [one for region in task.regions for one in region.drawn(size)]
                seen, wrong = boxes.seen(task.location, head, task.size, drawn, every)
                yield from wrong
                if seen is not None:
                    answers["objects"] = seen
            yield task.location, image, answers
        yield from boxes.told.problems()


@dataclass
class _Region:
    """What an annotation says of one place; numbers in per cent of the picture's sides."""

    location: str
    shape: str
    value: Mapping[str, Any]
    labels: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)

    def drawn(self, size: Size) -> Iterator[Drawn]:
        """One box for each label, in pixels."""
        across, down = size[0] / 100, size[1] / 100
        for label in self.labels or [""]:
            corners = OUTLINES[self.shape](self.value, across, down)
            yield Drawn(self.location, corners, label, self.attributes or NOTHING)


@dataclass
class _Task:
    location: str
    picture: str
    fields: dict[str, Any]
    annotated: bool = False
    size: Size | None = None  # of the picture as it was drawn on
    regions: list[_Region] = field(default_factory=list)


def _whole(said: list[Any], title: str, boxes: Boxes) -> Iterator[Any]:
    """The tasks; JSON-MIN has one for each annotation, of which the first counts."""
    seen: set[Any] = set()
    for entry in said:
        if not is_short(entry):
            yield entry
            continue
        key = entry.get("id")
        if isinstance(key, int | str):
            if key in seen:
                location = f"{title}: task {plain(str(key))}"
                boxes.told.note(
                    "several annotations", location, "has several annotations: the first is taken"
                )
                continue
            seen.add(key)
        yield unfolded(entry)


def _task(entry: Any, location: str, key: str, boxes: Boxes) -> _Task | Problem:
    data = entry.get("data") if isinstance(entry, dict) else None
    if not isinstance(data, dict):
        return _left_out(location, "is no task: it has no data")
    if isinstance(entry.get("id"), int | str):
        location = f"{location.rpartition(' ')[0]} {plain(str(entry['id']))}"
    pictures = [key] if key else [name for name, value in data.items() if is_picture(_name(value))]
    if len(pictures) != 1 or not _name(data.get(pictures[0])):
        keys = plain(", ".join(map(str, data)), 200)
        what = f"has {'several pictures' if len(pictures) > 1 else 'no picture'} in its data ({keys})"
        return _left_out(location, what, "" if key else 'name its key: image = "…"; ')
    (picture,) = pictures
    rest = {name: value for name, value in data.items() if name != picture and _scalar(value) is not None}
    task = _Task(location, _name(data[picture]), rest)
    done = entry.get("annotations", entry.get("completions"))
    valid = [one for one in done if _counts(one)] if isinstance(done, list) else []
    if valid:
        task.annotated = True
        _annotation(valid[0]["result"], task, boxes)
    if len(valid) > 1:
        boxes.told.note("several annotations", location, "has several annotations: the first is taken")
    return task


def _left_out(location: str, what: str, hint: str = "") -> Problem:
    return Problem(location, what, f"{hint}the task is left out", kind="task", fatal=False)


def _counts(annotation: Any) -> bool:
    return (
        isinstance(annotation, dict)
        and isinstance(annotation.get("result"), list)
        and not annotation.get("was_cancelled")
    )


def _annotation(results: list[Any], task: _Task, boxes: Boxes) -> None:
    """Fill ``task`` with what one annotation says."""
    regions: dict[str, _Region] = {}
    others: list[tuple[str, str, dict[str, Any]]] = []
    for place, result in enumerate(results, 1):
        location = f"{task.location}, result {place}"
        if not isinstance(result, dict) or not isinstance(result.get("value"), dict):
            boxes.told.note("result", location, "has no value and is not used")
            continue
        kind = str(result.get("type", ""))
        shape = kind.removesuffix("labels") or ("rectangle" if "width" in result["value"] else "")
        if shape not in OUTLINES:
            others.append((location, kind, result))
            continue
        if number(result.get("image_rotation", 0)):
            others.append((location, "region of a picture turned by hand", result))
            continue
        _note_bounds(shape, result["value"], location, boxes)
        labels = _texts(result["value"].get(kind))
        key = str(result.get("id", f"without {place}"))
        task.size = task.size or _size(result)
        if key in regions:
            regions[key].labels += labels
        else:
            regions[key] = _Region(location, shape, result["value"], labels)
    unread = {str(result.get("id")) for _, kind, result in others if kind not in ANSWERS} - regions.keys()
    for location, kind, result in others:
        key = str(result.get("id"))
        region = regions.get(key)
        if kind == "labels" and region is not None:
            region.labels += _texts(result["value"].get("labels"))
        elif kind in ANSWERS and key not in unread:
            answer = ANSWERS[kind](result["value"])
            if answer is not None:
                fields = task.fields if region is None else region.attributes
                fields[str(result.get("from_name") or kind)] = answer
        else:
            boxes.told.note(f"result {kind}", location, f"is of the kind {quoted(kind)}, and is not used")
    task.regions = list(regions.values())


def _note_bounds(shape: str, value: Mapping[str, Any], location: str, boxes: Boxes) -> None:
    turned = number(value.get("rotation", 0)) != 0
    if shape != "rectangle" or turned:
        kind = "turned rectangle" if shape == "rectangle" else shape
        boxes.told.note(kind, location, f"is no upright box but a {kind}: its bounds are taken")


def _size(result: Mapping[str, Any]) -> Size | None:
    width, height = number(result.get("original_width")), number(result.get("original_height"))
    return (width, height) if width > 0 and height > 0 else None


def _rectangle(value: Mapping[str, Any], across: float, down: float) -> Corners:
    """Turned about its upper left corner."""
    x, y = number(value.get("x")) * across, number(value.get("y")) * down
    width, height = number(value.get("width")) * across, number(value.get("height")) * down
    turn = number(value.get("rotation", 0))
    corners = x, y, x + width, y + height
    return rotated(corners, turn, (x, y)) if turn else corners


def _polygon(value: Mapping[str, Any], across: float, down: float) -> Corners:
    points = value.get("points")
    pairs = [point if isinstance(point, list) and len(point) == 2 else (None, None) for point in points or ()]
    return bounds((number(x) * across, number(y) * down) for x, y in pairs)


def _ellipse(value: Mapping[str, Any], across: float, down: float) -> Corners:
    x, y = number(value.get("x")) * across, number(value.get("y")) * down
    wide, high = number(value.get("radiusX")) * across, number(value.get("radiusY")) * down
    turn = math.radians(number(value.get("rotation", 0)))
    half = math.hypot(wide * math.cos(turn), high * math.sin(turn))
    tall = math.hypot(wide * math.sin(turn), high * math.cos(turn))
    return x - half, y - tall, x + half, y + tall


OUTLINES: dict[str, Callable[[Mapping[str, Any], float, float], Corners]] = {
    "rectangle": _rectangle,
    "polygon": _polygon,
    "ellipse": _ellipse,
}  # what has an extent; each also with "labels" behind it


def _texts(said: Any) -> list[str]:
    return (
        [one.strip() for one in said if isinstance(one, str) and one.strip()]
        if isinstance(said, list)
        else []
    )


def _one_or_all(texts: list[str]) -> str | list[str] | None:
    return texts[0] if len(texts) == 1 else texts or None


def _paths(said: Any) -> str | list[str] | None:
    paths = said if isinstance(said, list) else []
    return _one_or_all(["/".join(_texts(path)) for path in paths if _texts(path)])


def _scalar(said: Any) -> Any:
    return said if isinstance(said, int | float | str) and said != "" else None


ANSWERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "choices": lambda value: _one_or_all(_texts(value.get("choices"))),
    "taxonomy": lambda value: _paths(value.get("taxonomy")),
    "number": lambda value: _scalar(value.get("number")),
    "rating": lambda value: _scalar(value.get("rating")),
    "datetime": lambda value: _scalar(value.get("datetime")),
    "textarea": lambda value: _one_or_all(_texts(value.get("text"))) or _scalar(value.get("text")),
}  # what is no place


def _name(said: Any) -> str:
    """The name of a picture from how a task writes it; "" where it is no text."""
    if not isinstance(said, str):
        return ""
    if "/data/local-files/" in said:
        return unquote(said.partition("?d=")[2])
    if "://" in said or said.startswith("/data/upload/"):
        return unquote(said.partition("?")[0].rpartition("/")[2])
    return said
