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
from oneglance.data.parsing.annotations.box_geometry import (
    NOTHING,
    NOWHERE,
    REPORTED,
    BoxReader,
    Corners,
    RawBox,
    Size,
    bounds,
    number,
    rotated,
)
from oneglance.data.parsing.annotations.label_studio_min import expanded, is_min
from oneglance.data.parsing.base64_pictures import is_inline
from oneglance.data.parsing.image_paths import find_nearby
from oneglance.data.parsing.structured_files import beginning, read_json
from oneglance.data.parsing.tables.rows import SAMPLE
from oneglance.data.quoting import plain, quoted
from oneglance.data.source import Entry, Source
from oneglance.errors import DataError, Problem


class LabelStudio(Source):
    """A JSON file as Label Studio exports it, "JSON" or "JSON-MIN": a list of tasks.

    The field ``objects`` holds the boxes; polygons, ellipses and turned boxes are taken by their bounds.
    Answers about one region are its attributes, answers about the picture are fields, each under the ``name``
    of its control: choices, taxonomies (``animal/cat``), numbers, ratings, texts; several at once are a list.
    What the task's ``data`` hold beside the picture is a field, too.

    Of several annotations of a task the first that was not cancelled counts; predictions do not. Where any
    annotation of the file holds a box, one without means that there is none. The queried classes are all
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

    def entries(self) -> Iterator[Entry | Problem]:
        content = read_json(self.path)
        if not isinstance(content, list):
            raise DataError(
                "is no list of tasks", location=self.title, hint='export it from Label Studio as "JSON"'
            )
        box_reader = BoxReader()
        tasks: list[_Task] = []
        for index, entry in enumerate(_all_tasks(content, self.title, box_reader)):
            task_or_problem = _task(entry, f"{self.title}: task {index}", self.image, box_reader)
            if isinstance(task_or_problem, Problem):
                yield task_or_problem
            else:
                tasks.append(task_or_problem)
        boxes_annotated = any(task.regions for task in tasks)
        regions = (region for task in tasks for region in task.regions)
        classes = frozenset(
            raw.label for region in regions for raw in region.raw_boxes((1, 1)) if raw.label and raw.has_place
        )
        sample = [task.picture for task in tasks[:SAMPLE]]
        find = find_nearby(self.images, self.path, sample, exact=self.exact)
        for task in tasks:
            image = find(task.picture, task.location)
            if isinstance(image, Problem):
                yield image
                continue
            answers = task.fields
            if boxes_annotated and task.annotated:
                head = header(image)
                size = task.size or (head.upright if head else (math.nan, math.nan))
                raw_boxes = [one for region in task.regions for one in region.raw_boxes(size)]
                raw_boxes += task.lost
                annotations, wrong = box_reader.annotations(
                    task.location, head, task.size, raw_boxes, classes
                )
                yield from wrong
                if annotations is not None:
                    answers["objects"] = annotations
            yield task.location, image, answers
        yield from find.problems(self.title)
        yield from box_reader.counter.problems()


NO_THING = ("relation", "pairwise", "ranker")  # kinds of results that are about others
TURNED = "region of a picture turned by hand"


@dataclass
class _Region:
    """One region of an annotation; numbers in per cent of the picture's sides."""

    location: str
    shape: str
    value: Mapping[str, Any]
    labels: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)

    def raw_boxes(self, size: Size) -> Iterator[RawBox]:
        """One box for each label, in pixels."""
        across, down = size[0] / 100, size[1] / 100
        for label in self.labels or [""]:
            corners = OUTLINES[self.shape](self.value, across, down)
            yield RawBox(self.location, corners, label, self.attributes or NOTHING)


@dataclass
class _Task:
    location: str
    picture: str
    fields: dict[str, Any]
    annotated: bool = False
    size: Size | None = None  # of the picture that was annotated
    regions: list[_Region] = field(default_factory=list)
    lost: list[RawBox] = field(default_factory=list)  # what is there, nobody knows where


def _all_tasks(tasks: list[Any], title: str, box_reader: BoxReader) -> Iterator[Any]:
    """The tasks; JSON-MIN has one for each annotation, of which the first counts."""
    seen: set[Any] = set()
    for entry in tasks:
        if not is_min(entry):
            yield entry
            continue
        key = entry.get("id")
        if isinstance(key, int | str):
            if key in seen:
                location = f"{title}: task {plain(str(key))}"
                box_reader.counter.add(
                    "several annotations", location, "has several annotations: the first is taken"
                )
                continue
            seen.add(key)
        yield expanded(entry)


def _task(entry: Any, location: str, key: str, box_reader: BoxReader) -> _Task | Problem:
    data = entry.get("data") if isinstance(entry, dict) else None
    if not isinstance(data, dict):
        return _left_out(location, "is no task: it has no data")
    if isinstance(entry.get("id"), int | str):
        location = f"{location.rpartition(' ')[0]} {plain(str(entry['id']))}"
    pictures = [key] if key else [name for name, value in data.items() if _is_picture(value)]
    if len(pictures) != 1 or not _name(data.get(pictures[0])):
        keys = plain(", ".join(map(str, data)), 200)
        what = f"has {'several pictures' if len(pictures) > 1 else 'no picture'} in its data ({keys})"
        return _left_out(location, what, "" if key else 'name its key: image = "…"; ')
    (picture,) = pictures
    rest = {name: value for name, value in data.items() if name != picture and _scalar(value) is not None}
    task = _Task(location, _name(data[picture]), rest)
    annotations = entry.get("annotations", entry.get("completions"))
    valid = [one for one in annotations if _is_valid(one)] if isinstance(annotations, list) else []
    if valid:
        task.annotated = True
        _annotation(valid[0]["result"], task, box_reader)
    if len(valid) > 1:
        box_reader.counter.add("several annotations", location, "has several annotations: the first is taken")
    return task


def _left_out(location: str, what: str, hint: str = "") -> Problem:
    return Problem(location, what, f"{hint}the task is left out", kind="task", fatal=False)


def _is_valid(annotation: Any) -> bool:
    return (
        isinstance(annotation, dict)
        and isinstance(annotation.get("result"), list)
        and not annotation.get("was_cancelled")
    )


def _annotation(results: list[Any], task: _Task, box_reader: BoxReader) -> None:
    """Fill ``task`` from the results of one annotation."""
    regions: dict[str, _Region] = {}
    others: list[tuple[str, str, dict[str, Any]]] = []
    for index, result in enumerate(results, 1):
        location = f"{task.location}, result {index}"
        if not isinstance(result, dict) or not isinstance(result.get("value"), dict):
            box_reader.counter.add("result", location, "has no value and is not used")
            if not isinstance(result, dict) or result.get("type") not in (*ANSWERS, *NO_THING):
                task.lost.append(RawBox(location, NOWHERE, "", place_fault=REPORTED))
            continue
        kind = str(result.get("type", ""))
        shape = kind.removesuffix("labels") or ("rectangle" if "width" in result["value"] else "")
        if shape not in OUTLINES:
            others.append((location, kind, result))
            continue
        if number(result.get("image_rotation", 0)):
            others.append((location, TURNED, result))
            continue
        _note_bounds(shape, result["value"], location, box_reader)
        key = str(result.get("id", f"without {index}"))
        task.size = task.size or _size(result)
        if key in regions and not _same_outline(regions[key].value, result["value"]):
            key = f"{key} again, {index}"  # another thing of the same id
        if key in regions:
            regions[key].labels += _labels(result["value"])
        else:
            regions[key] = _Region(location, shape, result["value"], _labels(result["value"]))
    unread = {str(result.get("id")) for _, kind, result in others if kind not in ANSWERS} - regions.keys()
    for location, kind, result in others:
        key = str(result.get("id"))
        region = regions.get(key)
        if kind == "labels" and region is not None:
            region.labels += _labels(result["value"])
        elif kind in ANSWERS and key not in unread:
            answer = ANSWERS[kind](result["value"])
            if answer is not None:
                fields = task.fields if region is None else region.attributes
                fields[str(result.get("from_name") or kind)] = answer
        else:
            a_thing = kind not in ANSWERS and kind not in NO_THING  # somewhere in the picture
            what = f"is of the kind {quoted(kind)}, and is not used"
            hint = "its class is unknown in its picture" if a_thing else ""
            box_reader.counter.add(f"result {plain(kind)}", location, what, hint)
            if a_thing:
                lost = _labels(result["value"]) or [""]
                task.lost += [RawBox(location, NOWHERE, label, place_fault=REPORTED) for label in lost]
    task.regions = list(regions.values())


def _same_outline(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two results draw the same: one thing may have several, such as a shape and its classes."""
    numbers = ("x", "y", "width", "height", "radiusX", "radiusY", "rotation", "points")
    return all(first.get(key) == second.get(key) for key in numbers if key in first and key in second)


def _labels(value: Mapping[str, Any]) -> list[str]:
    """The classes of a region; "" for each that is no word."""
    named = [labels for key, labels in value.items() if key.endswith("labels") and isinstance(labels, list)]
    return [one.strip() if isinstance(one, str) else "" for labels in named for one in labels]


def _note_bounds(shape: str, value: Mapping[str, Any], location: str, box_reader: BoxReader) -> None:
    turned = number(value.get("rotation", 0)) != 0
    if shape != "rectangle" or turned:
        kind = "turned rectangle" if shape == "rectangle" else shape
        box_reader.counter.add(kind, location, f"is no upright box but a {kind}: its bounds are taken")


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


def _texts(value: Any) -> list[str]:
    return (
        [one.strip() for one in value if isinstance(one, str) and one.strip()]
        if isinstance(value, list)
        else []
    )


def _words(value: Any) -> list[str]:
    """Chosen words; none where one of them is no word: with the others alone, it would read as a no."""
    return _texts(value) if isinstance(value, list) and all(isinstance(one, str) for one in value) else []


def _one_or_all(texts: list[str]) -> str | list[str] | None:
    return texts[0] if len(texts) == 1 else texts or None


def _paths(value: Any) -> str | list[str] | None:
    paths = [_words(path) for path in value] if isinstance(value, list) else []
    return _one_or_all(["/".join(path) for path in paths]) if all(paths) else None


def _scalar(value: Any) -> Any:
    return value if isinstance(value, int | float | str) and value != "" else None


ANSWERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "choices": lambda value: _one_or_all(_words(value.get("choices"))),
    "taxonomy": lambda value: _paths(value.get("taxonomy")),
    "number": lambda value: _scalar(value.get("number")),
    "rating": lambda value: _scalar(value.get("rating")),
    "datetime": lambda value: _scalar(value.get("datetime")),
    "textarea": lambda value: _one_or_all(_texts(value.get("text"))) or _scalar(value.get("text")),
}  # answers that are no region


def _is_picture(value: Any) -> bool:
    return is_picture(_name(value)) or (isinstance(value, str) and is_inline(value))


def _name(value: Any) -> str:
    """The name of a picture from how a task writes it; "" where it is no text."""
    if not isinstance(value, str):
        return ""
    if is_inline(value):
        return value
    if "/data/local-files/" in value:
        return unquote(value.partition("?d=")[2])
    if "://" in value or value.startswith("/data/upload/"):
        return unquote(value.partition("?")[0].rpartition("/")[2])
    return value
