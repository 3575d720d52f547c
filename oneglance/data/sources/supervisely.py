"""Supervisely: datasets with ``img`` and ``ann``, a JSON file for each picture, and ``meta.json`` above."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from oneglance.data.images.header import header
from oneglance.data.images.references import FileImage, is_picture
from oneglance.data.parsing.annotations.box_geometry import (
    NOTHING,
    NOWHERE,
    REPORTED,
    BoxReader,
    Corners,
    RawBox,
    number,
)
from oneglance.data.parsing.annotations.box_spellings import word
from oneglance.data.parsing.annotations.packed_masks import packed_mask_bounds
from oneglance.data.parsing.annotations.point_lists import outline, points
from oneglance.data.parsing.folder_walk import files_below, folders_in
from oneglance.data.parsing.image_paths import finder
from oneglance.data.parsing.layouts import named_split
from oneglance.data.parsing.split_lists import key_of
from oneglance.data.parsing.structured_files import beginning, read_json
from oneglance.data.quoting import plain, quoted
from oneglance.data.source import Entry, Source
from oneglance.errors import DataError, Problem
from oneglance.storage.plain_files import is_file, is_folder, scan

PICTURES, ANNOTATIONS, META = "img", "ann", "meta.json"
MANY, FEW = 1000, 5  # names of a folder, and files of these, that tell whether it holds annotations
DEEPEST = 3  # datasets inside each other
MOST_DATASETS = 1000
TAG_VALUE = (str, int, float)


class Supervisely(Source):
    """A project of Supervisely (also from Dataset Ninja): folders that each hold ``img`` and ``ann``, below a
    ``meta.json``; or one such folder. ``ann/a.jpg.json`` belongs to ``img/a.jpg``.

    The field ``objects`` holds the boxes; polygons, masks and cuboids are taken by their bounds. Points,
    lines and graphs are named and not used. Tags of an object are its attributes. The queried classes are
    those of ``meta.json`` that have an extent, else all that any object names.

    Tags of a picture that have no value are the field ``tags``, each other one is a field of its own. A
    folder called train, val or test is the split. Pixels are counted from 0, the last one included.
    """

    rank: ClassVar[int] = 10  # its folder is also a folder

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return is_folder(path) and any(map(_is_dataset, _datasets(path)))

    def entries(self) -> Iterator[Entry | Problem]:
        datasets = _datasets(self.path)
        if not datasets:
            what = f"holds no folder with {PICTURES} and {ANNOTATIONS}"
            raise DataError(what, location=self.title, hint="name the folder above them")
        box_reader = BoxReader()
        pictures: list[_Picture] = []
        for dataset in datasets:
            for item in self._dataset(dataset, box_reader):
                if isinstance(item, Problem):
                    yield item
                else:
                    pictures.append(item)
        boxes = [box for picture in pictures for box in picture.boxes or ()]
        named = frozenset(box.label for box in boxes if box.label and box.has_place)
        classes = named | self._declared(box_reader)
        for picture in pictures:
            answers = dict(picture.fields)
            if picture.split and self.split:
                answers[self.split] = picture.split
            if classes and picture.boxes is not None:
                annotations, wrong = box_reader.annotations(
                    picture.location, header(picture.image), picture.size, picture.boxes, classes
                )
                yield from wrong
                if annotations is not None:
                    answers["objects"] = annotations
            yield picture.location, picture.image, answers
        yield from box_reader.counter.problems()

    def _declared(self, box_reader: BoxReader) -> frozenset[str]:
        """The classes with an extent that ``meta.json`` names."""
        file = next((place / META for place in (self.path, self.path.parent) if is_file(place / META)), None)
        if file is None:
            return frozenset()
        try:
            content = read_json(file)
        except DataError as error:
            box_reader.counter.add("meta.json", file.name, f"{error.what}: classes are those of the objects")
            return frozenset()
        classes = content.get("classes") if isinstance(content, dict) else None
        entries = [one for one in classes if isinstance(one, dict)] if isinstance(classes, list) else []
        flat = [one for one in entries if one.get("shape") in (*OUTLINES, "any")]
        return frozenset(word(one.get("title")) for one in flat) - {""}

    def _dataset(self, dataset: Path, box_reader: BoxReader) -> Iterator[_Picture | Problem]:
        folder = self.images or dataset / PICTURES
        names = files_below(folder, is_picture)
        by_key: dict[str, list[str]] = {}
        for name in names:
            by_key.setdefault(key_of(name), []).append(name)
        find = finder(folder, folder, [])
        unused, split = dict.fromkeys(names), named_split(dataset.name)
        for file in files_below(dataset / ANNOTATIONS, _is_json):
            location = f"{self.title}/{(dataset / ANNOTATIONS / file).relative_to(self.path).as_posix()}"
            stem = file[: -len(".json")]
            called = [stem] if stem in unused else by_key.get(stem, []) or [stem] * is_picture(stem)
            image = find(called[0], location) if len(called) == 1 else None
            if not isinstance(image, FileImage):
                what = "belongs to no picture of its name" if not called else "may belong to several pictures"
                yield Problem(location, what, "it is left out", kind="picture not there", fatal=False)
                continue
            unused.pop(called[0], None)
            try:
                content = read_json(dataset / ANNOTATIONS / file, _light)
            except DataError as error:
                what = f"{error.what}: the answers of its picture are unknown"
                yield Problem(location, what, error.hint, kind="annotation file", fatal=False)
                content = None
            yield _Picture.of(location, image, split, content, box_reader)
        for name in unused:
            image = find(name, name)
            if isinstance(image, FileImage):
                location = f"{self.title}: {name}"
                box_reader.counter.add("no JSON file", location, "has no JSON file: its answers are unknown")
                yield _Picture(location, image, split)


@dataclass(frozen=True)
class _Picture:
    """A picture and what its file says of it."""

    location: str
    image: FileImage
    split: str
    size: tuple[float, float] | None = None
    boxes: list[RawBox] | None = None  # None: nobody looked
    fields: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, location: str, image: FileImage, split: str, content: Any, box_reader: BoxReader) -> _Picture:
        objects = content.get("objects") if isinstance(content, dict) else None
        if not isinstance(objects, list):
            if content is not None:
                what = 'holds no list "objects": the answers of its picture are unknown'
                box_reader.counter.add("no objects", location, what)
            return cls(location, image, split)
        sizes = content.get("size")
        sides = [number(sizes.get(side)) if isinstance(sizes, dict) else 0.0 for side in ("width", "height")]
        boxes = [
            _raw_box(one, f"{location}: object {index}", box_reader) for index, one in enumerate(objects, 1)
        ]
        return cls(location, image, split, (sides[0], sides[1]), boxes, _tags(content.get("tags"), True))


def _raw_box(one: Any, location: str, box_reader: BoxReader) -> RawBox:
    if not isinstance(one, dict):
        box_reader.counter.add("object", location, "is no object: all classes are unknown in its picture")
        return RawBox(location, NOWHERE, "", place_fault=REPORTED)
    label, kind = word(one.get("classTitle")), word(one.get("geometryType"))
    if not label:
        box_reader.counter.add("no classTitle", location, "has no classTitle: its class is unknown")
    if kind not in OUTLINES:
        what = f"is no box but {quoted(kind)}: nobody knows where it ends, and its class is unknown"
        box_reader.counter.add(plain(kind) or "no shape", location, f"{what} in its picture")
        return RawBox(location, NOWHERE, label, place_fault=REPORTED)
    if kind != "rectangle":
        box_reader.counter.add(f"bounds of {kind}", location, f"is no box but a {kind}: its bounds are taken")
    return RawBox(location, OUTLINES[kind](one), label, _tags(one.get("tags"), False) or NOTHING)


def _exterior(one: Mapping[str, Any], least: int) -> Corners:
    held = one.get("points")
    return _with_last(outline(held.get("exterior") if isinstance(held, dict) else None, least))


def _with_last(corners: Corners) -> Corners:
    """The edges of pixels of which the last ones are included; what is no whole number is an edge."""
    x0, y0, x1, y1 = corners
    return (x0, y0, x1 + 1, y1 + 1) if all(float(edge).is_integer() for edge in corners) else corners


def _bitmap(one: Mapping[str, Any]) -> Corners:
    bitmap = one.get("bitmap")
    origin, inner = (bitmap.get("origin"), bitmap.get("data")) if isinstance(bitmap, dict) else (None, None)
    if not isinstance(inner, tuple):
        return NOWHERE
    (x, y), *_ = points([origin])
    return x + inner[0], y + inner[1], x + inner[2], y + inner[3]


OUTLINES: dict[str, Callable[[Mapping[str, Any]], Corners]] = {
    "rectangle": lambda one: _exterior(one, 2),
    "polygon": lambda one: _exterior(one, 3),
    "bitmap": _bitmap,
    "cuboid": lambda one: _with_last(outline(one.get("points"))),
}  # what has an extent


def _tags(tags: Any, of_picture: bool) -> dict[str, Any]:
    """Tags with a value, by their names; those without are ``tags`` of a picture, and true of a thing."""
    fields: dict[str, Any] = {}
    bare: list[str] = []
    for tag in tags if isinstance(tags, list) else ():
        name = word(tag.get("name") if isinstance(tag, dict) else tag)
        value = tag.get("value") if isinstance(tag, dict) else None
        if not name:
            continue
        if isinstance(value, TAG_VALUE) and not isinstance(value, bool) and value != "":
            fields.setdefault(name, value.strip() if isinstance(value, str) else value)
        elif of_picture:
            bare.append(name)
        else:
            fields.setdefault(name, True)
    if bare:
        fields["tags"] = list(dict.fromkeys(bare))
    fields.pop("objects" if of_picture else "", None)
    return fields


def _light(value: dict[str, Any]) -> dict[str, Any]:
    """With the bounds of a mask in the place of the mask."""
    if isinstance(value.get("data"), str) and "origin" in value:
        value["data"] = packed_mask_bounds(value["data"])
    return value


def _datasets(path: Path) -> list[Path]:
    """The folders that hold both ``img`` and ``ann``; those inside others lie in a folder ``datasets``."""
    datasets: list[Path] = []
    waiting = [path] if _has_both(path) else folders_in(path)
    for _ in range(DEEPEST):
        datasets += filter(_has_both, waiting)
        inside = [folder / "datasets" for folder in waiting if is_folder(folder / "datasets")]
        waiting = [one for folder in inside for one in folders_in(folder)]
    return datasets[:MOST_DATASETS]


def _has_both(folder: Path) -> bool:
    return all(is_folder(folder / name) for name in (PICTURES, ANNOTATIONS))


def _is_dataset(folder: Path) -> bool:
    try:
        with scan(folder / ANNOTATIONS) as entries:
            names = [entry.name for entry in islice(entries, MANY) if _is_json(entry.name)]
    except OSError:
        return False
    return any(_is_annotation(beginning(folder / ANNOTATIONS / name)) for name in names[:FEW])


def _is_annotation(start: bytes) -> bool:
    begins = start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"
    return begins and b'"objects"' in start and any(key in start for key in (b'"size"', b'"classTitle"'))


def _is_json(name: str) -> bool:
    return name.lower().endswith(".json")
