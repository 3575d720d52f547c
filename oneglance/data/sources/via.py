"""VGG Image Annotator (VIA 1 and 2): its JSON, its project file, its CSV."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from oneglance.data.cell import as_text
from oneglance.data.images.header import header
from oneglance.data.parsing.annotations.box_geometry import (
    NOTHING,
    NOWHERE,
    REPORTED,
    BoxReader,
    Corners,
    RawBox,
    bounds,
    number,
)
from oneglance.data.parsing.annotations.box_spellings import sized
from oneglance.data.parsing.annotations.text_columns import LABELS
from oneglance.data.parsing.image_paths import find_nearby
from oneglance.data.parsing.layouts import ANNOTATION_FOLDERS, children_named, named_split, part_folders
from oneglance.data.parsing.structured_files import beginning, read_json
from oneglance.data.parsing.tables.delimited import Delimited
from oneglance.data.parsing.tables.rows import SAMPLE
from oneglance.data.quoting import plain, quoted, quoted_list
from oneglance.data.source import Entry, Source
from oneglance.errors import DataError, Problem
from oneglance.storage.plain_files import is_folder, names_in

FEW = 20  # files of a folder that are looked at
CLASS_NAMES = (*LABELS, "object", "object_name", "kind", "species", "object_class", "tag")
SHAPE, OF_REGION, OF_FILE = "region_shape_attributes", "region_attributes", "file_attributes"  # in CSV


class Via(Source):
    """A JSON, project or CSV file of the VGG Image Annotator, or a folder with such files, also one for each
    of train and val: beside the pictures, above them or in a folder ``annotations``.

    The field ``objects`` holds the boxes; circles, ellipses and polygons are taken by their bounds. Points
    and lines are named and not used. The class is the one attribute of the regions, or of several the one
    that ``label`` names, by default one with a usual name such as ``class``, ``label``, ``name`` or ``type``;
    where there is none, boxes have no class. The others are attributes of the box. Of checkboxes those that
    are set count. The queried classes are all that any region names.

    Attributes of a file are fields. A picture without regions, of a file that holds any, is one in which
    nothing is.
    """

    label: str = ""  # the region attribute that is the class; default: the only one, or a usual name

    rank: ClassVar[int] = 10  # its folder is also a folder, its CSV a table

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return bool(_files(path))

    def entries(self) -> Iterator[Entry | Problem]:
        files = _files(self.path) or ([] if is_folder(self.path) else [(self.path, "")])
        if not files:
            raise DataError("holds no file of VIA", location=self.title, hint="name the folder above it")
        box_reader = BoxReader()
        pictures: list[_Picture] = []
        once: dict[tuple[Any, ...], _Picture] = {}
        for file, split in files:
            location = self.title if file == self.path else f"{self.title}/{_relative(file, self.path)}"
            for item in _pictures(file, location, split if self.split else "", box_reader):
                if isinstance(item, Problem):
                    yield item
                    continue
                earlier = once.setdefault((item.file.parent, item.name, item.split), item)
                if earlier is item or (earlier.regions, earlier.fields) != (item.regions, item.fields):
                    pictures.append(item)
        attribute = self.label or _class_attribute(pictures, self.title, box_reader)
        shapes = [
            [
                shape
                for index, region in enumerate(picture.regions, 1)
                for shape in _shapes(region, f"{picture.location}, region {index}", attribute, box_reader)
            ]
            for picture in pictures
        ]
        raw_boxes = [raw for boxes in shapes for raw in boxes]
        classes = frozenset(raw.label for raw in raw_boxes if raw.label and raw.has_place)
        nameless = [raw for raw in raw_boxes if not raw.label and raw.has_place]
        if classes and nameless:
            first = nameless[0].location
            box_reader.counter.add("no class", first, f"has no {quoted(attribute)}: its class is unknown")
        if raw_boxes and 2 * shapes.count([]) >= len(pictures):
            what = f"holds no region for {shapes.count([]):,} of {len(pictures):,} pictures: nothing is there"
            hint = "take pictures out that nobody has looked at"
            yield Problem(self.title, what, hint, kind="no region", fatal=False)
        finders: dict[Path, Any] = {}
        for picture, boxes in zip(pictures, shapes, strict=True):
            file = picture.file
            if file not in finders:
                sample = [one.name for one in islice((p for p in pictures if p.file == file), SAMPLE)]
                others = (file.parent.parent, file.parent.parent / "images")
                finders[file] = find_nearby(self.images, file, sample, others, exact=self.exact)
            image = finders[file](picture.name, picture.location)
            if isinstance(image, Problem):
                yield image
                continue
            answers: dict[str, Any] = {self.split: picture.split} if picture.split else {}
            answers |= {
                f"{OF_FILE}.{name}" if name in (*answers, "objects") else name: value
                for name, value in picture.fields.items()
            }
            if raw_boxes:
                annotations, wrong = box_reader.annotations(
                    picture.location, header(image), None, boxes, classes or None
                )
                yield from wrong
                if annotations is not None:
                    answers["objects"] = annotations
            yield picture.location, image, answers
        for find in finders.values():
            yield from find.problems(self.title)
        yield from box_reader.counter.problems()


@dataclass(frozen=True)
class _Picture:
    """What a file says of one picture."""

    location: str
    file: Path
    name: str
    split: str
    regions: list[Any] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)


def _pictures(file: Path, title: str, split: str, box_reader: BoxReader) -> Iterator[_Picture | Problem]:
    if file.suffix.lower() == ".csv":
        yield from _rows(file, title, split, box_reader)
        return
    content = read_json(file, _light)
    entries = content.get("_via_img_metadata", content) if isinstance(content, dict) else None
    if not isinstance(entries, dict):
        raise DataError("holds no pictures as VIA writes them", location=title, hint="export it as JSON")
    for key, entry in entries.items():
        if str(key).startswith("_via_"):
            continue
        name = entry.get("filename") if isinstance(entry, dict) else None
        location = f"{title}: {plain(name if isinstance(name, str) else str(key), 80)}"
        if not isinstance(name, str) or not name.strip():
            what, hint = "is no picture of VIA: it has no filename", "it is left out"
            yield Problem(location, what, hint, kind="no picture named", fatal=False)
            continue
        regions = entry.get("regions")
        if isinstance(regions, dict):
            regions = list(regions.values())
        elif not isinstance(regions, list):
            regions = [None] if regions else []
        yield _Picture(location, file, name.strip(), split, regions, _fields(entry.get(OF_FILE)))


def _rows(file: Path, title: str, split: str, box_reader: BoxReader) -> Iterator[_Picture | Problem]:
    """The pictures of a CSV, which has a row for each region."""
    table = Delimited(file, title)
    column = next((name for name in table.columns if name.lstrip("#") == "filename"), "")
    if not column or SHAPE not in table.columns:
        raise DataError(f"has no columns filename and {SHAPE}", location=title, hint="export it from VIA")
    pictures: dict[tuple[str, str], _Picture] = {}
    for row in table.rows(column):
        if isinstance(row, Problem):
            yield row
            continue
        location, name, cells = row
        if not isinstance(name, str) or not name:
            yield Problem(
                location, "names no picture", "it is left out", kind="no picture named", fatal=False
            )
            continue
        key = name, str(cells.get("file_size", ""))
        picture = pictures.setdefault(key, _Picture(location, file, name, split))
        picture.fields.update(_fields(_object(cells.get(OF_FILE, ""))))
        shape = _object(cells.get(SHAPE, ""))
        if shape != {}:
            attributes = _object(cells.get(OF_REGION, ""))
            picture.regions.append({"shape_attributes": shape, OF_REGION: attributes})
    yield from pictures.values()


def _object(text: str) -> Any:
    """The object that a cell holds; None where it holds none, an empty one for an empty cell."""
    try:
        value = json.loads(text) if text.strip() else {}
        if "\\u" in text:  # half a character may be written so, but no text holds it
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _fields(attributes: Any) -> dict[str, Any]:
    """The answers that attributes hold."""
    if not isinstance(attributes, dict):
        return {}
    fields = {name.strip(): _answer(value) for name, value in attributes.items()}
    return {name: value for name, value in fields.items() if name and value is not None}


def _answer(value: Any) -> Any:
    """A text or a number, or those of several boxes that are set; None where nothing is said."""
    if isinstance(value, dict):
        chosen = [name for name, is_set in value.items() if is_set is True and name.strip()]
        return chosen[0] if len(chosen) == 1 else chosen or None
    if isinstance(value, str):
        return value.strip() or None
    return value if isinstance(value, int | float) else None


def _class_attribute(pictures: Sequence[_Picture], title: str, box_reader: BoxReader) -> str:
    """The region attribute that is the class; "" where there is none."""
    names = dict.fromkeys(
        name
        for picture in pictures
        for region in picture.regions
        for name in _fields(region.get(OF_REGION) if isinstance(region, dict) else None)
    )
    if len(names) < 2:
        return next(iter(names), "")
    usual = {name.lower(): name for name in reversed(names)}
    chosen = next((usual[name] for name in CLASS_NAMES if name in usual), "")
    if not chosen:
        what = f"names none of its attributes {quoted_list(names)} as the class: boxes have none"
        box_reader.counter.add("which class", title, what, 'say it with label = "…"')
    return chosen


def _shapes(region: Any, location: str, attribute: str, box_reader: BoxReader) -> list[RawBox]:
    """A region as a box for each of its classes."""
    shape = region.get("shape_attributes") if isinstance(region, dict) else None
    fields = _fields(region.get(OF_REGION)) if isinstance(region, dict) else {}
    value = fields.pop(attribute, None) if attribute else None
    labels = [as_text(one) for one in (value if isinstance(value, list) else [value]) if one is not None]
    name = shape.get("name") if isinstance(shape, dict) else None
    kind = name if isinstance(name, str) else ""
    if not isinstance(shape, dict) or kind not in SHAPES:
        what = f"is no box but {quoted(kind)}" if kind else "has no shape"
        box_reader.counter.add(
            plain(kind) or "no shape", location, f"{what}: its class is unknown in its picture"
        )
        return [RawBox(location, NOWHERE, label, place_fault=REPORTED) for label in labels or [""]]
    if kind != "rect":
        box_reader.counter.add(f"bounds of {kind}", location, f"is no box but a {kind}: its bounds are taken")
    corners = SHAPES[kind](shape)
    return [RawBox(location, corners, label, fields or NOTHING) for label in labels or [""]]


def _rect(shape: Mapping[str, Any]) -> Corners:
    return sized([shape.get(key) for key in ("x", "y", "width", "height")])


def _ellipse(shape: Mapping[str, Any]) -> Corners:
    """Turned by radians about its middle; a circle has one radius."""
    x, y = number(shape.get("cx")), number(shape.get("cy"))
    across, down = (number(shape.get(key, shape.get("r"))) for key in ("rx", "ry"))
    turn = number(shape.get("theta", 0))
    wide = math.hypot(across * math.cos(turn), down * math.sin(turn))
    high = math.hypot(across * math.sin(turn), down * math.cos(turn))
    return x - wide, y - high, x + wide, y + high


def _polygon(shape: Mapping[str, Any]) -> Corners:
    across, down = shape.get("all_points_x"), shape.get("all_points_y")
    if (
        not isinstance(across, list)
        or not isinstance(down, list)
        or len(across) != len(down)
        or len(down) < 3
    ):
        return NOWHERE
    return bounds(zip(map(number, across), map(number, down), strict=True))


SHAPES: dict[str, Callable[[Mapping[str, Any]], Corners]] = {
    "rect": _rect,
    "circle": _ellipse,
    "ellipse": _ellipse,
    "polygon": _polygon,
}  # what has an extent


def _light(value: dict[str, Any]) -> dict[str, Any]:
    """Without pictures in base64."""
    value.pop("base64_img_data", None)
    return value


def _relative(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else file.name


def _files(path: Path) -> list[tuple[Path, str]]:
    """The file itself, or those of a folder and of its folders for splits, each with its split."""
    if not is_folder(path):
        return [(path, "")] if _is_via(path) else []
    here = _directly_in(path) or [
        one for folder in children_named(path, ANNOTATION_FOLDERS) for one in _directly_in(folder)
    ]
    if here:
        return [(file, named_split(file.stem)) for file in here]
    return [(file, split) for part, split in part_folders(path) for file in _directly_in(part)]


def _directly_in(folder: Path) -> list[Path]:
    for ending in ("json", "csv"):
        if files := [file for file in names_in(folder, f"*.{ending}")[:FEW] if _is_via(file)]:
            return files
    return []


def _is_via(file: Path) -> bool:
    ending = file.suffix.lower()
    if ending == ".csv":
        first = beginning(file, 1000).partition(b"\n")[0]
        return SHAPE.encode() in first and b"filename" in first
    if ending != ".json":
        return False
    start = beginning(file)
    return start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{" and (
        b'"_via_img_metadata"' in start
        or b'"_via_settings"' in start
        or (
            b'"filename"' in start
            and re.search(rb'"regions"\s*:', start) is not None
            and (b'"shape_attributes"' in start or b'"file_attributes"' in start)
        )
    )
