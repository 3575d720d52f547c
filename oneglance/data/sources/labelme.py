"""LabelMe: a JSON file beside each picture, with shapes and with flags of the picture."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from oneglance.data.images.header import header
from oneglance.data.images.references import is_picture
from oneglance.data.parsing.annotations.box_geometry import (
    NOTHING,
    NOWHERE,
    REPORTED,
    BoxReader,
    Corners,
    RawBox,
    bounds,
    flag,
    number,
)
from oneglance.data.parsing.annotations.box_spellings import word
from oneglance.data.parsing.annotations.paired_files import named_split_of, pairs
from oneglance.data.parsing.annotations.point_lists import circle, outline
from oneglance.data.parsing.base64_pictures import JsonPicture
from oneglance.data.parsing.folder_walk import files_below, walk
from oneglance.data.parsing.image_paths import Find, finder
from oneglance.data.parsing.layouts import ANNOTATION_FOLDERS, Place, annotated_places, class_folders
from oneglance.data.parsing.split_lists import key_of
from oneglance.data.parsing.structured_files import beginning, read_json
from oneglance.data.quoting import plain, quoted
from oneglance.data.record import ImageRef
from oneglance.data.source import Entry, Source
from oneglance.errors import DataError, Problem
from oneglance.storage.plain_files import plain_stat, read_part, resolved, scan

MANY, FEW = 1000, 10  # names, and JSON files, that are tried before a folder is taken for another format
SNIFFED = 1 << 16  # bytes at either end of a file that tell whether it is of LabelMe
MOST_FLAGS = 1000  # different flags of pictures
FOLDERS = (*ANNOTATION_FOLDERS, "json", "jsons", "labelme", "labelme_json")
IGNORE, BACKGROUND = "__ignore__", "_background_"  # words that LabelMe's own examples use in place of a class


class Labelme(Source):
    """A folder of pictures with a JSON file of LabelMe (or AnyLabeling) for each, beside the pictures or in a
    folder of a usual name (``labels``, ``annotations``, ``json``), also in folders of classes or splits.

    The field ``objects`` holds the boxes. Polygons, circles and masks are taken by their bounds; shapes of
    one label and one ``group_id`` are one thing. Points and lines have no extent: where no shape of their
    group has one, their class is unknown in that picture. The label ``__ignore__`` and ``difficult`` make a
    region to ignore. Flags and ``attributes`` of a shape, and its ``description``, are attributes of the
    box. The queried classes are all that any shape with an extent names.

    The flags of pictures are the field ``flags`` where no picture has two: the one that is set. Else each is
    a field of its own, true or false. A picture with the flag ``__ignore__`` has no answers.

    Where all pictures lie in folders of other names than splits, and in several, the folder is the field
    ``folder``. The picture of a file is the one that is called like it, else the one at its ``imagePath``,
    else the one that stands in it as ``imageData``. Of a picture without a file nothing is known.
    """

    rank: ClassVar[int] = 10  # its folder is also a folder

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return bool(_places(path))

    def entries(self) -> Iterator[Entry | Problem]:
        places = _places(self.path)
        if not places:
            raise DataError(
                "holds no JSON files of LabelMe", location=self.title, hint="name the folder above them"
            )
        box_reader = BoxReader()
        pictures: list[_Picture] = []
        for item in (item for place in places for item in self._pictures(place, box_reader)):
            if isinstance(item, Problem):
                yield item
            else:
                pictures.append(item)
        boxes = [box for picture in pictures for box in picture.boxes or ()]
        classes = frozenset(box.label for box in boxes if box.label and box.has_place)
        flag_fields = _flag_fields([picture.flags for picture in pictures if picture.flags])
        folders = class_folders(picture.image.name for picture in pictures)
        for picture in pictures:
            answers: dict[str, Any] = {self.split: picture.split} if picture.split and self.split else {}
            answers |= {
                f"flags.{name}" if name in (*answers, "objects", "folder") else name: value
                for name, value in flag_fields(picture.flags).items()
            }
            if picture.image.name in folders:
                answers["folder"] = folders[picture.image.name]
            if boxes and picture.boxes is not None:
                annotations, wrong = box_reader.annotations(
                    picture.location, header(picture.image), picture.size, picture.boxes, classes
                )
                yield from wrong
                if annotations is not None:
                    answers["objects"] = annotations
            yield picture.location, picture.image, answers
        yield from box_reader.counter.problems()

    def _pictures(self, place: Place, box_reader: BoxReader) -> Iterator[_Picture | Problem]:
        """Every picture of a place, with what its file says, and those that only a file names."""
        paired = list(pairs([place], self.images, _is_json))
        owners: Counter[Path | None] = Counter(pair.file for pair in paired)
        files: dict[Path, _File | Problem | None] = {}
        for image, path, split in paired:
            file = None
            if path is not None:
                if path not in files:
                    files[path] = self._file(path, box_reader)
                    if isinstance(problem := files[path], Problem):
                        yield problem
                file = files[path]
            if isinstance(file, _File) and not file.is_of(image.name, owners[path]):
                file = None
            if file is None:
                what = "has no file of LabelMe that is called like it: its answers are unknown"
                box_reader.counter.add("no JSON file", f"{self.title}: {image.name}", what)
            elif isinstance(file, _File) and key_of(file.image_name) != key_of(image.name.rpartition("/")[2]):
                what = f"names another picture in it, {quoted(file.image_path)}"
                box_reader.counter.add("imagePath", file.location, what, f"{quoted(image.name)} is taken")
            yield _Picture.of(image.name, image, split, file if isinstance(file, _File) else None, box_reader)
        find = finder(self.images or self.path, self.path, [], exact=self.exact)
        for name in files_below(place.annotations, _is_json):
            path = place.annotations / name
            if path not in files:
                file = self._file(path, box_reader)
                if isinstance(file, Problem):
                    yield file
                elif file is not None:
                    yield self._named(path, file, place.split or named_split_of(name), find, box_reader)
        yield from find.problems(self.title)

    def _file(self, path: Path, box_reader: BoxReader) -> _File | Problem | None:
        """What a JSON file says; None where it is no file of LabelMe."""
        location = f"{self.title}/{path.relative_to(self.path).as_posix()}"
        try:
            content = read_json(path, _light)
        except DataError as error:
            what = f"{error.what}: the answers of its picture are unknown"
            return Problem(location, what, error.hint, kind="annotation file", fatal=False)
        if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
            box_reader.counter.add(
                "no file of LabelMe", location, 'holds no list "shapes" as LabelMe writes it, and is not used'
            )
            return None
        return _File(location, content)

    def _named(
        self, path: Path, file: _File, split: str, find: Find, box_reader: BoxReader
    ) -> _Picture | Problem:
        """The picture of a file that no picture is called like."""
        start = os.path.relpath(path.parent, self.images or self.path)
        written = os.path.normpath(f"{start}/{file.image_path}").replace(os.sep, "/")
        images = [find(name, file.location) for name in (written, file.image_name) if file.image_name]
        refs = [image for image in images if not isinstance(image, Problem)]
        image = next(filter(_is_there, refs), None)
        if image is None and file.embedded:
            what = "has no picture beside it: the one that is written into it is taken"
            box_reader.counter.add("picture in a file", file.location, what)
            image = JsonPicture(str(resolved(path)), "imageData", file.location)
        if image is None and not refs:
            named = f"names {quoted(file.image_path)}" if file.image_path else "names no picture"
            what = f"{named}, and no picture is called like it"
            return Problem(file.location, what, "it is left out", kind="picture not there", fatal=False)
        image = image or refs[0]
        return _Picture.of(file.location, image, split, file, box_reader)


@dataclass(frozen=True)
class _File:
    """One JSON file."""

    location: str
    content: Mapping[str, Any]

    @property
    def image_path(self) -> str:
        path = self.content.get("imagePath")
        return path.replace("\\", "/") if isinstance(path, str) else ""

    @property
    def image_name(self) -> str:
        """Without its folders; "" where that is no picture's name."""
        name = self.image_path.rpartition("/")[2]
        return name if is_picture(name) else ""

    @property
    def embedded(self) -> bool:
        return self.content.get("imageData") is True

    def is_of(self, name: str, claims: int) -> bool:
        """Whether it is about the picture ``name``, where so many pictures are called like it."""
        named = self.image_path.rpartition("/")[2]
        return claims < 2 or not named or named == name.rpartition("/")[2]


@dataclass(frozen=True)
class _Picture:
    """A picture and what its file says of it."""

    location: str
    image: ImageRef
    split: str
    size: tuple[float, float] | None = None
    boxes: Sequence[RawBox] | None = None  # None: nobody looked
    flags: Mapping[str, bool] = field(default_factory=dict)

    @classmethod
    def of(
        cls, location: str, image: ImageRef, split: str, file: _File | None, box_reader: BoxReader
    ) -> _Picture:
        if file is None:
            return cls(location, image, split)
        flags = _flags(file.content.get("flags"))
        if flags.pop(IGNORE, False):
            what = f"has the flag {quoted(IGNORE)}: its answers are unknown"
            box_reader.counter.add("ignored picture", file.location, what)
            return cls(location, image, split)
        size = number(file.content.get("imageWidth")), number(file.content.get("imageHeight"))
        return cls(location, image, split, size, _boxes(file, box_reader), flags)


def _boxes(file: _File, box_reader: BoxReader) -> list[RawBox]:
    shapes = [
        _shape(shape, f"{file.location}: shape {index}", box_reader)
        for index, shape in enumerate(file.content["shapes"], 1)
    ]
    once: dict[Any, RawBox] = {}
    for index, (raw, group) in enumerate(shape for shape in shapes if shape is not None):
        key: Any = (raw.label, group) if group is not None and raw.label else index
        once[key] = _joined(once[key], raw, box_reader) if key in once else raw
    return list(once.values())


def _joined(first: RawBox, raw: RawBox, box_reader: BoxReader) -> RawBox:
    """One thing that was drawn in several shapes."""
    pair = [one for one in (first, raw) if one.place_fault is None]
    if len(pair) < 2:
        return pair[0] if pair else first
    what = f"belongs to {plain(first.location)} by its group_id: the box around both is taken"
    box_reader.counter.add("one thing in several shapes", raw.location, what)
    corners = bounds([point for one in pair for point in (one.corners[:2], one.corners[2:])])
    attributes = {
        name: value
        for name, value in {**raw.attributes, **first.attributes}.items()
        if raw.attributes.get(name, value) == value
    }
    return RawBox(first.location, corners, first.label, attributes, first.ignore or raw.ignore)


def _shape(shape: Any, location: str, box_reader: BoxReader) -> tuple[RawBox, int | str | None] | None:
    """A thing and its group; None for what is no thing."""
    counter = box_reader.counter
    if not isinstance(shape, dict):
        counter.add("shape", location, "is no shape: all classes are unknown in its picture")
        return RawBox(location, NOWHERE, "", place_fault=REPORTED), None
    label = word(shape.get("label"))
    if label == BACKGROUND:
        counter.add("background", location, f"has the label {quoted(BACKGROUND)}, and is no thing")
        return None
    if not label:
        counter.add("no label", location, "has no label: its class is unknown")
    group = shape.get("group_id")
    group = group if isinstance(group, int | str) and not isinstance(group, bool) and group != "" else None
    kind = word(shape.get("shape_type")) or "polygon"
    if kind not in OUTLINES:
        what = f"is no box but {quoted(kind)}: nobody knows where it ends, and its class is unknown"
        counter.add(kind, location, f"{what} in its picture, unless its group has a shape with an extent")
        return RawBox(location, NOWHERE, label, place_fault=REPORTED), group
    if kind != "rectangle":
        counter.add(f"bounds of {kind}", location, f"is no box but a {kind}: its bounds are taken")
    ignore = label == IGNORE or flag(shape.get("difficult")) is not False
    attributes = _attributes(shape) or NOTHING
    label = "" if label == IGNORE else label
    return RawBox(location, OUTLINES[kind](shape.get("points")), label, attributes, ignore), group


def _mask(value: Any) -> Corners:
    """Two corners, the second one inside the last pixel."""
    x0, y0, x1, y1 = outline(value)
    return x0, y0, x1 + 1, y1 + 1


OUTLINES: dict[str, Callable[[Any], Corners]] = {
    "rectangle": outline,
    "rotation": outline,
    "polygon": lambda value: outline(value, 3),
    "circle": circle,
    "mask": _mask,
    "cuboid": outline,
    "quadrilateral": outline,
}  # what has an extent, by how its points say it


def _attributes(shape: Mapping[str, Any]) -> dict[str, Any]:
    attributes: dict[str, Any] = dict(_flags(shape.get("flags")))
    more = shape.get("attributes")
    for name, value in more.items() if isinstance(more, dict) else ():
        if isinstance(value, str | int | float) and value != "":
            attributes[name] = value.strip() if isinstance(value, str) else value
    if description := word(shape.get("description")):
        attributes["description"] = description
    return {name: value for name, value in attributes.items() if name.strip() and value != ""}


def _flags(value: Any) -> dict[str, bool]:
    """Name and whether it is set; other values say nothing."""
    if not isinstance(value, dict):
        return {}
    return {name: one for name, one in value.items() if isinstance(one, bool) and name.strip()}


def _flag_fields(pictures: Sequence[Mapping[str, bool]]) -> Callable[[Mapping[str, bool]], dict[str, Any]]:
    """What makes fields of the flags of a picture, by those of all."""
    names = dict.fromkeys(name for flags in pictures for name in flags)
    chosen = [sum(flags.values()) for flags in pictures]
    if len(names) > 1 and max(chosen) == 1 and 2 * sum(chosen) >= len(chosen):
        return _the_one_set
    kept = frozenset(islice(names, MOST_FLAGS))
    return lambda flags: {name: is_set for name, is_set in flags.items() if name in kept}


def _the_one_set(flags: Mapping[str, bool]) -> dict[str, Any]:
    return next(({"flags": name} for name, is_set in flags.items() if is_set), {})


def _light(value: dict[str, Any]) -> dict[str, Any]:
    """Without pictures in base64, which may be most of a file; True says that one is there."""
    for key in ("imageData", "mask"):
        if isinstance(value.get(key), str):
            value[key] = bool(value[key])
    return value


def _is_there(image: ImageRef) -> bool:
    try:
        return bool(image.stamp())
    except OSError:
        return False


def _places(path: Path) -> list[Place]:
    return annotated_places(
        path,
        lambda place: any(map(_is_labelme, _below(place.annotations))),
        lambda folder: any(map(_is_labelme, _directly_in(folder))),
        FOLDERS,
    )


def _below(folder: Path) -> Iterator[Path]:
    files = (Path(parent, name) for parent, _, names in walk(folder) for name in names if _is_json(name))
    return islice(files, FEW)


def _directly_in(folder: Path) -> list[Path]:
    try:
        with scan(folder) as entries:
            return [Path(entry.path) for entry in islice(entries, MANY) if _is_json(entry.name)][:FEW]
    except OSError:
        return []


def _is_labelme(file: Path) -> bool:
    start = beginning(file, SNIFFED)
    if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"{":
        return False
    if b'"imageData"' in start and b'"shapes"' not in start:  # its picture comes first
        try:
            size = plain_stat(file).size
            start += read_part(file, max(0, size - SNIFFED), SNIFFED)
        except OSError:
            return False
    others = (b'"imagePath"', b'"shape_type"', b'"imageData"', b'"points"', b'"flags"')
    return re.search(rb'"shapes"\s*:\s*\[', start) is not None and any(key in start for key in others)


def _is_json(name: str) -> bool:
    return name.lower().endswith(".json")
